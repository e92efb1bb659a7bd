import { type ClassConstructor, plainToInstance } from 'class-transformer';
import { validate } from 'class-validator';

/** Sentences about fields, by field. */
export type Problems = Record<string, string>;

/** A form as it was sent, and what is wrong with it, if anything. */
export async function readForm<T extends object>(
  type: ClassConstructor<T>,
  body: unknown,
): Promise<{ form: T; problems?: Problems }> {
  // `new type()` has every field, so that one which was not sent is transformed, and missed, too.
  const form = plainToInstance(type, { ...new type(), ...(body as object) });
  const errors = await validate(form, { stopAtFirstError: true });
  if (errors.length === 0) return { form };
  const problems = errors.map(({ property, constraints = {} }) => [
    property,
    Object.values(constraints)[0],
  ]);
  return { form, problems: Object.fromEntries(problems) as Problems };
}

/** A form can be sent with anything in a field; what is no text counts as nothing. */
export function asText({ value }: { value?: unknown }): string {
  return typeof value === 'string' ? value : '';
}

export function asTrimmedText(params: { value?: unknown }): string {
  return asText(params).trim();
}
