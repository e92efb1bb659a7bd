import { HttpException } from '@nestjs/common';
import type { MfaDenialBody } from './mfa-denials.js';

/**
 * The exception a denial is in a transport: `HttpException` for HTTP and
 * GraphQL, `WsException` and `RpcException` with the same body for the others,
 * whose packages are there where they are used.
 */
export async function exceptionOf(
  transport: string,
  body: MfaDenialBody,
  cause?: unknown,
): Promise<Error> {
  if (transport === 'ws') {
    const { WsException } = await import('@nestjs/websockets');
    return new WsException(body);
  }
  if (transport === 'rpc') {
    const { RpcException } = await import('@nestjs/microservices');
    return new RpcException(body);
  }
  return new HttpException(body, body.statusCode, {
    cause,
    errorCode: body.code,
  });
}
