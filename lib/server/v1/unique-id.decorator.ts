import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { rawRequest } from './raw-request.js';

/** The `unique_id` in the path. @throws ParameterError where it could not be read */
export const UniqueId = createParamDecorator(
  (_: unknown, context: ExecutionContext): string => {
    const { gauthifyIdProblem } = rawRequest(context);
    if (gauthifyIdProblem) throw gauthifyIdProblem;
    return context.switchToHttp().getRequest<{ params: { uniqueId: string } }>()
      .params.uniqueId;
  },
);
