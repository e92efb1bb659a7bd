import {
  type ArgumentMetadata,
  createParamDecorator,
  type ExecutionContext,
  type PipeTransform,
} from '@nestjs/common';
import type { ClassConstructor } from 'class-transformer';
import { parseDto } from '../../contract/dto/parse-dto.js';
import { wireNameOf } from '../../contract/dto/wire-name.decorator.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { rawRequest, type RawParams } from './raw-request.js';

/** Names that some clients use for a parameter: `{ otp: 'auth_code' }`. */
type Synonyms = Readonly<Record<string, string>>;

/** The request's parameters, query and body together, as the DTO that the handler's parameter is declared as. */
export const Params = (synonyms: Synonyms = {}): ParameterDecorator =>
  readRawParams(synonyms, toDto);

/**
 * The `unique_id` in the path.
 *
 * @throws ParameterError if it could not be decoded
 * @throws NotFoundError if no user can have it: PostgreSQL would refuse to look for it
 */
export const UniqueId = createParamDecorator(
  (_: unknown, context: ExecutionContext): string => {
    const { gauthifyIdProblem } = rawRequest(context);
    if (gauthifyIdProblem) throw gauthifyIdProblem;
    const { params } = context
      .switchToHttp()
      .getRequest<{ params: { uniqueId: string } }>();
    if (params.uniqueId.includes('\0'))
      throw new NotFoundError('No such user', { errorCode: 'user_not_found' });
    return params.uniqueId;
  },
);

const readRawParams = createParamDecorator(
  (synonyms: Synonyms, context: ExecutionContext) => {
    const params = rawRequest(context).gauthifyParams;
    return !params || params instanceof ParameterError
      ? params
      : withoutSynonyms(params, synonyms);
  },
);

/** Converts raw parameters to the DTO, and validates them. */
const toDto: PipeTransform = {
  transform(raw: unknown, { metatype }: ArgumentMetadata): unknown {
    if (raw instanceof ParameterError) throw raw;
    const type = metatype as ClassConstructor<object>;
    const parsed = parseDto(type, raw ?? {});
    if (parsed.value) return parsed.value;
    throw new ParameterError(
      parsed.problems
        // In the spelling of the wire, which is what the caller wrote.
        .map(({ property, message }) =>
          message.replaceAll(property, wireNameOf(type, property)),
        )
        .join('; '),
    );
  },
};

function withoutSynonyms(params: RawParams, synonyms: Synonyms): RawParams {
  const result = { ...params };
  for (const [synonym, name] of Object.entries(synonyms))
    // The parameter's own name takes precedence.
    if ((result[name] ?? '') === '' && synonym in result)
      result[name] = result[synonym];
  return result;
}
