import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { rawRequest } from '../v1/raw-request.js';

/** The code of the ezGAuth form; `undefined` if there is none. */
export const AuthCode = createParamDecorator(
  (_: unknown, context: ExecutionContext): string | undefined => {
    const params = rawRequest(context).gauthifyParams;
    const code =
      params instanceof ParameterError ? undefined : params?.auth_code;
    return typeof code === 'string' ? code : undefined;
  },
);
