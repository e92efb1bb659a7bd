import { type ClassConstructor, instanceToPlain } from 'class-transformer';
import { parseDto } from '../../contract/dto/parse-dto.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { isObject } from './answer.js';

/**
 * Validates the arguments of a call as a DTO and spells them as text, by their
 * names on the wire. `null` stays `null`.
 *
 * @throws ParameterError naming what is wrong, by its name in the DTO
 */
export function toParams<T extends object>(
  type: ClassConstructor<T>,
  args: unknown,
): Record<string, string | null> {
  const plain = instanceToPlain(validated(type, args), {
    exposeUnsetFields: false,
  });
  return Object.fromEntries(
    Object.entries(plain).map(([name, value]) => [
      name,
      value === null ? null : String(value),
    ]),
  );
}

/** The arguments as a DTO. @throws ParameterError naming what is wrong, by its name in the DTO */
export function validated<T extends object>(
  type: ClassConstructor<T>,
  args: unknown,
): T {
  if (!isObject(args))
    throw new ParameterError(`${type.name} must be an object`);
  const { value, problems } = parseDto(type, args);
  if (problems)
    throw new ParameterError(problems.map(({ message }) => message).join('; '));
  return value;
}

/** Parameters as a form or query: `null` becomes an empty field. */
export const formOf = (params: Record<string, string | null>): string =>
  new URLSearchParams(
    Object.entries(params).map(([name, value]): [string, string] => [
      name,
      value ?? '',
    ]),
  ).toString();
