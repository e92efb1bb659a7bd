import { RequestMethod, type Type } from '@nestjs/common';
import type { ClassConstructor } from 'class-transformer';
import { wireNamesOf } from '../../contract/dto/wire-name.decorator.js';
import { ApiKeyGuard } from '../v1/api-key.guard.js';

/** A route as a controller declares it. */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Without the mount path: `/v1/users/{unique_id}`. */
  path: string;
  /** Status of a successful answer. */
  status: number;
  /** Whether it needs an API key, and answers with the envelope. */
  isApi: boolean;
  /** The DTO of its parameters, if it has any. */
  dto: ClassConstructor<object> | undefined;
}

/** The routes of a controller, from what Nest's decorators stored. */
export function routesOf(controller: Type): Route[] {
  const prototype = controller.prototype as Record<string, Function>;
  const guards = (read('__guards__', controller) ?? []) as unknown[];
  return Object.getOwnPropertyNames(prototype).flatMap((name) => {
    const handler = prototype[name]!;
    const method = read('method', handler) as RequestMethod | undefined;
    if (name === 'constructor' || method === undefined) return [];
    const types = (Reflect.getMetadata(
      'design:paramtypes',
      controller.prototype as object,
      name,
    ) ?? []) as Function[];
    return [
      {
        method: RequestMethod[method] as Route['method'],
        path: pathOf(controller, handler),
        status:
          (read('__httpCode__', handler) as number | undefined) ??
          (method === RequestMethod.POST ? 201 : 200),
        isApi: guards.includes(ApiKeyGuard),
        dto: types.find((type) => wireNamesOf(type).length > 0) as Route['dto'],
      },
    ];
  });
}

const read = (key: string, target: Function): unknown =>
  Reflect.getMetadata(key, target) as unknown;

function pathOf(controller: Function, handler: Function): string {
  const parts = [read('path', controller), read('path', handler)] as string[];
  const path = parts.filter((part) => part !== '/').join('/');
  return `/${path}`.replaceAll(
    /:(\w+)/g,
    (_, name: string) =>
      `{${name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}}`,
  );
}
