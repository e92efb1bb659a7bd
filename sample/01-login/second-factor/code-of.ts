import type { Request } from 'express';

/** The code of the form, without the spaces and dashes that apps show it with; `undefined` where there is none. */
export function codeOf(request: Request): string | undefined {
  const { code } = (request.body ?? {}) as { code?: unknown };
  return typeof code === 'string'
    ? code.replace(/[\s-]/g, '') || undefined
    : undefined;
}
