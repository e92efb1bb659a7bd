import { plainToInstance, type ClassConstructor } from 'class-transformer';
import { validateSync } from 'class-validator';

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
  const value = plainToInstance(type, plain, {
    excludeExtraneousValues: true,
    exposeUnsetFields: false,
  });
  const problems = validateSync(value, {
    forbidUnknownValues: true,
    stopAtFirstError: true,
  }).flatMap(({ property, constraints }) =>
    Object.values(constraints ?? {}).map((message) => ({ property, message })),
  );
  return problems.length > 0 ? { problems } : { value };
}
