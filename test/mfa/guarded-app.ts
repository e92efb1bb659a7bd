/** An application with what a test needs of the guard, and a way to ask it over HTTP. */
import {
  type CanActivate,
  type ExecutionContext,
  type INestApplication,
  Injectable,
  type ModuleMetadata,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { GAuthifyModule, type GAuthifyModuleOptions } from 'nestjs-gauthify';
import { adapter, type ADAPTERS } from '../helpers/api.js';

/** Signs in whoever the header `x-user` names. */
@Injectable()
export class SignInGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest();
    const { 'x-user': user, 'x-name': name } = request.headers;
    const id = user && decodeURIComponent(user);
    if (id)
      request.user = {
        id,
        name: name ? decodeURIComponent(name) : `The ${id}`,
      };
    return true;
  }
}

export interface Answer {
  status: number;
  headers: Headers;
  body: any;
}

export type Ask = (
  method: string,
  path: string,
  headers?: Record<string, string>,
  body?: unknown,
) => Promise<Answer>;

export interface GuardedApp {
  app: INestApplication;
  ask: Ask;
}

export async function startApp(
  name: (typeof ADAPTERS)[number],
  options: GAuthifyModuleOptions,
  metadata: ModuleMetadata = {},
  prepare: (app: INestApplication) => void = () => {},
): Promise<GuardedApp> {
  const module = await Test.createTestingModule({
    ...metadata,
    imports: [
      GAuthifyModule.forRoot({ isGlobal: true, ...options }),
      ...(metadata.imports ?? []),
    ],
  }).compile();
  module.useLogger(false);
  const app = module.createNestApplication(await adapter(name));
  prepare(app);
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  const ask: Ask = async (method, path, headers = {}, body) => {
    const response = await fetch(url + path, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text && JSON.parse(text),
    };
  };
  return { app, ask };
}
