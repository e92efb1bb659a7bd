import { registerDecorator, type ValidationArguments } from 'class-validator';

// C0 and C1 controls, line and paragraph separators: no name has them, and they forge log lines.

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

function problemOf(value: unknown, maxLength: number): string | undefined {
  if (value === undefined || value === null) return 'is missing';
  if (typeof value !== 'string') return 'must be a string';
  if (value.length === 0) return 'must not be empty';
  if (value.length > maxLength)
    return `must be at most ${maxLength} characters, but is ${value.length}`;
  if (CONTROL.test(value)) return 'must not contain control characters';
  if (/\p{Surrogate}/u.test(value)) return 'must be well-formed Unicode';
  return undefined;
}

function register(
  name: string,
  maxLength: number,
  problem: (value: unknown) => string | undefined,
): PropertyDecorator {
  return (target, property) =>
    registerDecorator({
      name,
      target: target.constructor,
      propertyName: String(property),
      // Not read by the validator: the server's OpenAPI document shows it.
      constraints: [maxLength],
      validator: {
        validate: (value: unknown) => problem(value) === undefined,
        defaultMessage: (args?: ValidationArguments) =>
          `${args?.property} ${problem(args?.value)}`,
      },
    });
}

/** A string of 1 to `maxLength` UTF-16 units without control characters. */
export function IsText(maxLength = 255): PropertyDecorator {
  return register('isText', maxLength, (value) => problemOf(value, maxLength));
}

/**
 * A user's id: {@link IsText} of 255, and neither `.` nor `..`, which URL
 * parsers resolve away: `users/../` would be another path.
 */
export function IsUniqueId(): PropertyDecorator {
  return register(
    'isUniqueId',
    255,
    (value) =>
      problemOf(value, 255) ??
      (value === '.' || value === '..'
        ? 'must not be "." or "..", which no URL can carry'
        : undefined),
  );
}
