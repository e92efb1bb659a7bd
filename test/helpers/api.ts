import { createFastifyAdapter } from '../../lib/server/v1/fastify-adapter.js';
import type { GAuthifyTestServer } from 'nestjs-gauthify/testing';

/** What a call answered. */
export interface Answer {
  status: number;
  headers: Headers;
  body: any;
}

/** Calls the server the way a published client does: Basic auth, a form body. */
export async function call(
  server: GAuthifyTestServer,
  method: string,
  path: string,
  params?: Record<string, string>,
  init: RequestInit = {},
): Promise<Answer> {
  const response = await fetch(server.accessPoint + path, {
    method,
    body: params && new URLSearchParams(params),
    ...init,
    headers: {
      authorization: `Basic ${btoa(`:${server.apiKey}`)}`,
      ...init.headers,
    },
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: parse(text),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

let made = 0;

/** Creates a user of a new id. */
export async function createUser(
  server: GAuthifyTestServer,
  params: Record<string, string> = {},
): Promise<any> {
  const unique_id = `user-${++made}`;
  const { body } = await call(server, 'POST', 'users/', {
    unique_id,
    display_name: unique_id,
    ...params,
  });
  return body.data;
}

/** Checks a code; the answer's `data`, or the whole body of an error. */
export async function check(
  server: GAuthifyTestServer,
  unique_id: string,
  auth_code: string,
): Promise<any> {
  const { body } = await call(server, 'POST', 'check/', {
    unique_id,
    auth_code,
  });
  return body.data ?? body;
}

/** Enters a code on the user's ezGAuth page, as a browser does. */
export const enterOnEzPage = (
  { ez_url }: { ez_url: string },
  auth_code: string,
): Promise<Response> =>
  fetch(ez_url, {
    method: 'POST',
    body: new URLSearchParams({ auth_code }),
    redirect: 'manual',
  });

/** The token that the ezGAuth page shows for a right code. */
export async function ezToken(
  user: { ez_url: string },
  auth_code: string,
): Promise<string> {
  const page = await (await enterOnEzPage(user, auth_code)).text();
  const token = /gat[A-Z2-7]{32}/.exec(page)?.[0];
  if (token === undefined) throw new Error(`No token was given: ${page}`);
  return token;
}

/** A code that is not the user's: at any of the steps that count now. */
export function wrongCode(server: GAuthifyTestServer, key: string): string {
  const right = [-1, 0, 1].map((steps) => server.totp(key, steps));
  return ['000000', '111111', '222222', '333333'].find(
    (code) => !right.includes(code),
  )!;
}

/** The adapters every server test runs on. */
export const ADAPTERS = ['fastify', 'express'] as const;

export async function adapter(name: (typeof ADAPTERS)[number]): Promise<any> {
  if (name === 'express') {
    const { ExpressAdapter } = await import('@nestjs/platform-express');
    return new ExpressAdapter();
  }
  return await createFastifyAdapter();
}

/** Who asks for a check that a test makes below HTTP. */
export const ORIGIN = { actor: 'test', source: null, requestId: null };
