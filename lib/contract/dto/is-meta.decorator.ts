import { registerDecorator, type ValidationArguments } from 'class-validator';

/** Bytes of `meta` as JSON. */
export const META_MAX_BYTES = 8 * 1024;
/** Levels of `meta`, itself included. */
export const META_MAX_DEPTH = 32;
// Keys that reach an object's prototype when a consumer merges `meta` into something.
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

function problemOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'must be a JSON object';
  const shape = problemOfShape(value, 1);
  if (shape) return shape;
  const bytes = Buffer.byteLength(JSON.stringify(value));
  return bytes > META_MAX_BYTES
    ? `must be at most ${META_MAX_BYTES} bytes as JSON, but is ${bytes}`
    : undefined;
}

function problemOfShape(value: object, depth: number): string | undefined {
  if (depth > META_MAX_DEPTH)
    return `must be at most ${META_MAX_DEPTH} levels deep`;
  for (const [key, member] of Object.entries(value)) {
    if (FORBIDDEN_KEYS.has(key)) return `must not have the key ${key}`;
    if (typeof member === 'bigint') return 'must be a JSON object';
    if (typeof member === 'object' && member !== null) {
      const problem = problemOfShape(member as object, depth + 1);
      if (problem) return problem;
    }
  }
  return undefined;
}

/** A JSON object of at most {@link META_MAX_BYTES}, 32 levels deep, without keys that reach a prototype. */
export function IsMeta(): PropertyDecorator {
  return (target, property) =>
    registerDecorator({
      name: 'isMeta',
      target: target.constructor,
      propertyName: String(property),
      validator: {
        validate: (value: unknown) => problemOf(value) === undefined,
        defaultMessage: (args?: ValidationArguments) =>
          `${args?.property} ${problemOf(args?.value)}`,
      },
    });
}
