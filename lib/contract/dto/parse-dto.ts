import type { ClassConstructor } from 'class-transformer';
import { validateSync } from 'class-validator';
import { META_MAX_DEPTH } from './is-meta.decorator.js';
import { fromPlain } from './wire-name.decorator.js';

/** A property that did not pass, and why (`email must be an e-mail address`). */
export interface DtoProblem {
  property: string;
  message: string;
}

/** A DTO that passed its validators, or what is wrong with it. */
export type ParsedDto<T> =
  | { value: T; problems?: undefined }
  | { value?: undefined; problems: DtoProblem[] };

/**
 * Reads a plain object as a DTO and validates it. Properties the DTO does not
 * declare are dropped. Never throws for bad input.
 */
export function parseDto<T extends object>(
  type: ClassConstructor<T>,
  plain: object,
): ParsedDto<T> {
  // Before anything that recurses until the stack overflows.
  const deep = Object.entries(plain).find(([, value]) => isTooDeep(value, 1));
  if (deep) {
    const [property] = deep;
    const message = `${property} must be at most ${META_MAX_DEPTH} levels deep`;
    return { problems: [{ property, message }] };
  }
  const value = fromPlain(type, plain);
  const problems = validateSync(value, {
    forbidUnknownValues: true,
    stopAtFirstError: true,
  }).flatMap(({ property, constraints }) =>
    Object.values(constraints ?? {}).map((message) => ({ property, message })),
  );
  return problems.length > 0 ? { problems } : { value };
}

/** Whether an object has more levels than `meta` may have, the deepest there is. */
function isTooDeep(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return (
    depth > META_MAX_DEPTH ||
    Object.values(value).some((member) => isTooDeep(member, depth + 1))
  );
}
