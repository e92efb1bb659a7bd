import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Origin } from '../audit/audit-event.js';
import { rawRequest, requestIdOf } from '../v1/raw-request.js';

/** The visitor of a page, for the audit log. */
export const PageOrigin = createParamDecorator(
  (_: unknown, context: ExecutionContext): Origin => {
    const request = rawRequest(context);
    return {
      actor: 'page',
      source: request.socket.remoteAddress ?? null,
      requestId: requestIdOf(request),
    };
  },
);
