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
  const exception = new HttpException(body, body.statusCode, {
    cause,
    errorCode: body.code,
  });
  // What graphql-js shows of an error besides its message. Apollo's driver shows
  // the body itself; Mercurius' shows this alone.
  return transport === 'graphql'
    ? Object.assign(exception, { extensions: body })
    : exception;
}
