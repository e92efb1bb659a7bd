import {
  type ArgumentMetadata,
  createParamDecorator,
  type ExecutionContext,
  type PipeTransform,
} from '@nestjs/common';
import type { ClassConstructor } from 'class-transformer';
import { parseDto } from '../../dto/parse-dto.js';
import { wireNameOf } from '../../dto/wire-name.decorator.js';
import { ParameterError } from '../../errors/parameter.error.js';
import { rawRequest } from './raw-request.js';

const readRawParams = createParamDecorator(
  (_: unknown, context: ExecutionContext) => rawRequest(context).gauthifyParams,
);

/** Reads raw parameters as the DTO of the handler's parameter, and validates them. */
const toDto: PipeTransform = {
  transform(raw: unknown, { metatype }: ArgumentMetadata): unknown {
    if (raw instanceof ParameterError) throw raw;
    const type = metatype as ClassConstructor<object>;
    const parsed = parseDto(type, raw ?? {});
    if (parsed.value) return parsed.value;
    throw new ParameterError(
      parsed.problems
        // Told in the wire's spelling, which is what the caller wrote.
        .map(({ property, message }) =>
          message.replaceAll(property, wireNameOf(type, property)),
        )
        .join('; '),
    );
  },
};

/** The request's parameters, query and body together, as the DTO the parameter is declared as. */
export const Params = (): ParameterDecorator => readRawParams(toDto);
