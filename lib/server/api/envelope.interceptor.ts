import {
  type CallHandler,
  type ExecutionContext,
  Inject,
  Injectable,
  type NestInterceptor,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { map, type Observable } from 'rxjs';
import { CLOCK, type Clock } from '../clock.js';
import { success, type SuccessEnvelope } from './envelope.js';

/** Wraps what a handler returns in the contract's envelope. */
@Injectable()
export class EnvelopeInterceptor implements NestInterceptor {
  constructor(
    private readonly adapterHost: HttpAdapterHost,
    @Inject(CLOCK) private readonly now: Clock,
  ) {}

  intercept(
    context: ExecutionContext,
    next: CallHandler<unknown>,
  ): Observable<SuccessEnvelope> {
    // The answers hold secrets and usable codes.
    this.adapterHost.httpAdapter.setHeader(
      context.switchToHttp().getResponse(),
      'Cache-Control',
      'no-store',
    );
    return next.handle().pipe(map((data) => success(data, this.now())));
  }
}
