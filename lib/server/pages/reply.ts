import type { StreamableFile } from '@nestjs/common';
import type { AbstractHttpAdapter } from '@nestjs/core';

/** Answers on Express or Fastify. */
export function reply(
  httpAdapter: AbstractHttpAdapter,
  response: unknown,
  status: number,
  body: string | StreamableFile,
  headers: Record<string, string>,
): void {
  for (const [name, value] of Object.entries(headers))
    httpAdapter.setHeader(response, name, value);
  httpAdapter.reply(response, body, status);
}
