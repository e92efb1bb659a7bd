import { Inject, type InjectionToken } from '@nestjs/common';
import { GAuthifyService } from './gauthify.service.js';

/**
 * Injection token of the `GAuthifyService` of a named `GAuthifyModule`, for
 * factories and tests; the class itself where no name is given.
 */
export function getGAuthifyToken(name?: string): InjectionToken {
  return name === undefined || name === ''
    ? GAuthifyService
    : `GAuthifyService:${name}`;
}

/**
 * Injects the `GAuthifyService` of `GAuthifyModule.forRoot({ name, … })`; of
 * the one without a name where none is given.
 *
 * @example
 * ```ts
 * constructor(@InjectGAuthify('staging') private readonly staging: GAuthifyService) {}
 * ```
 */
export const InjectGAuthify = (
  name?: string,
): PropertyDecorator & ParameterDecorator => Inject(getGAuthifyToken(name));
