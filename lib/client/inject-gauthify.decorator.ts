import { Inject, type InjectionToken } from '@nestjs/common';
import { GAuthifyService } from './gauthify.service.js';

/**
 * Injection token of the `GAuthifyService` of a named `GAuthifyModule`, for
 * factories and tests; the class itself without a name.
 */
export function getGAuthifyToken(name?: string): InjectionToken {
  return name === undefined || name === ''
    ? GAuthifyService
    : `GAuthifyService:${name}`;
}

/**
 * Injects the `GAuthifyService` of `GAuthifyModule.forRoot({ name, … })`;
 * without a name, that of the module without one.
 *
 * @example
 * ```ts
 * constructor(@InjectGAuthify('staging') private readonly staging: GAuthifyService) {}
 * ```
 */
export const InjectGAuthify = (
  name?: string,
): PropertyDecorator & ParameterDecorator => Inject(getGAuthifyToken(name));
