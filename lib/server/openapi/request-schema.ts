import type { ClassConstructor } from 'class-transformer';
import { getMetadataStorage } from 'class-validator';
import { wireNamesOf } from '../../contract/dto/wire-name.decorator.js';

/** A JSON Schema (draft 2020-12). */
export type Schema = Record<string, unknown>;

/** A parameter of a call. */
export interface Parameter {
  /** As on the wire. */
  name: string;
  isRequired: boolean;
  schema: Schema;
  /** The schema with `null`, which JSON can have, if that is allowed. */
  jsonSchema: Schema;
}

type Rule = ReturnType<
  ReturnType<typeof getMetadataStorage>['getTargetValidationMetadatas']
>[number];

/** What each validator of the DTOs demands. */
const KEYWORDS: Record<string, (argument: unknown) => Schema> = {
  isInt: () => ({ type: 'integer' }),
  min: (minimum) => ({ minimum }),
  max: (maximum) => ({ maximum }),
  isBoolean: () => ({ type: 'boolean' }),
  isIn: (values) => ({ enum: values }),
  isString: () => ({ type: 'string' }),
  maxLength: (maxLength) => ({ maxLength }),
  isText: (maxLength) => ({ type: 'string', minLength: 1, maxLength }),
  isUniqueId: (maxLength) => ({ type: 'string', minLength: 1, maxLength }),
  isEmail: () => ({ type: 'string', format: 'email', maxLength: 254 }),
  isPhoneNumber: () => ({ type: 'string', maxLength: 64 }),
  // An object, or the same JSON-encoded in a string [contract].
  isMeta: () => ({ type: ['object', 'string'] }),
  // Characters that no value needs; the error says which.
  matches: () => ({}),
};

/**
 * The parameters of a DTO, from its validators; those that are required first.
 *
 * @throws Error if it has a validator that {@link KEYWORDS} does not know
 */
export function parametersOf(dto: ClassConstructor<object>): Parameter[] {
  const rules = getMetadataStorage().getTargetValidationMetadatas(
    dto,
    '',
    true,
    false,
  );
  const parameters = wireNamesOf(dto).map(([property, name]) => {
    const own = rules.filter(({ propertyName }) => propertyName === property);
    const isAllowed = (value: unknown) => isSkipped(own, property, value);
    const schema: Schema = Object.assign(
      {},
      ...own
        .filter((rule) => !isCondition(rule))
        // The last decorator is registered first, and the first one names the type.
        .map(keywordsOf),
    ) as Schema;
    return {
      name,
      isRequired: !isAllowed(undefined),
      schema,
      jsonSchema: isAllowed(null) ? nullable(schema) : schema,
    };
  });
  return parameters.sort((a, b) => +b.isRequired - +a.isRequired);
}

const isCondition = ({ type }: Rule) => type === 'conditionalValidation';

/** Whether `@IsOptional` or `@ValidateIf` accepts a value without looking at it. */
function isSkipped(
  rules: readonly Rule[],
  property: string,
  value: unknown,
): boolean {
  return rules.some((rule) => {
    if (!isCondition(rule)) return false;
    const [isChecked] = rule.constraints as [
      (dto: object, value: unknown) => boolean,
    ];
    return !isChecked({ [property]: value }, value);
  });
}

function keywordsOf({ name, constraints }: Rule): Schema {
  const keywords = name === undefined ? undefined : KEYWORDS[name];
  if (!keywords)
    throw new Error(`The OpenAPI document knows no validator ${name}`);
  return keywords((constraints as unknown[] | undefined)?.[0]);
}

function nullable({ type, enum: values, ...rest }: Schema): Schema {
  return {
    ...rest,
    ...(type !== undefined && { type: [type, 'null'].flat() }),
    ...(values !== undefined && { enum: [...(values as unknown[]), null] }),
  };
}
