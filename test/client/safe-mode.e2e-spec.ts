import 'reflect-metadata';
import { describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import {
  deadUrl,
  hang,
  json,
  refusal,
  text,
  type Respond,
} from '../helpers/access-point.js';
import {
  afterThisTest,
  API_KEY,
  client,
  clientOf,
  failureOf,
} from '../helpers/client.js';

/** What is logged at warn during the test. */
function warnings(): unknown[][] {
  const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
  afterThisTest(async () => warn.mockRestore());
  return warn.mock.calls;
}

const CODE = '918273';
const USER_ID = 'jane@example.com';
const safeMode = true;

describe('safe mode lets in, with a warning, when GAuthify', () => {
  it.each<[string, Respond, string]>([
    ['fails', refusal(500), 'ServerError (500)'],
    ['is silent', hang, 'ServerError (500)'],
    ['is not there but a page is', text(200, '<html>'), 'ServerError (500)'],
    ['refuses the API key', refusal(401, 'no_key'), 'ApiKeyError (no_key)'],
  ])('%s', async (_, respond, reason) => {
    const logged = warnings();
    const { gauthify } = await clientOf(respond, { timeoutMs: 50 });
    await expect(
      firstValueFrom(gauthify.checkAuth(USER_ID, CODE, { safeMode })),
    ).resolves.toBe(true);
    expect(logged).toEqual([
      [`safeMode let someone in without a check: ${reason}`],
    ]);
  });

  it('cannot be reached', async () => {
    const logged = warnings();
    const gauthify = await client([await deadUrl()]);
    await expect(
      firstValueFrom(gauthify.checkAuth(USER_ID, CODE, { safeMode })),
    ).resolves.toBe(true);
    expect(logged).toHaveLength(1);
  });

  it('quotes what it was sent, without logging that', async () => {
    const logged = warnings();
    const { gauthify } = await clientOf(
      json(401, {
        error_message: `No key ${API_KEY}`,
        error_code: `${CODE} of ${USER_ID}`,
      }),
    );
    await firstValueFrom(gauthify.checkAuth(USER_ID, CODE, { safeMode }));
    for (const secret of [API_KEY, CODE, USER_ID])
      expect(JSON.stringify(logged)).not.toContain(secret);
  });
});

describe('safe mode does not let in who', () => {
  it.each<[string, string, Respond, string]>([
    ['sends no code', '', refusal(500), 'ParameterError'],
    [
      'sends far too long a code',
      '1'.repeat(65),
      refusal(500),
      'ParameterError',
    ],
    [
      'sends what GAuthify takes for no code',
      CODE,
      refusal(406),
      'ParameterError',
    ],
    ['guessed until the limit', CODE, refusal(402), 'RateLimitError'],
    ['is nobody', CODE, refusal(404), 'NotFoundError'],
    ['brings about a conflict', CODE, refusal(409), 'ConflictError'],
    ['makes a bad request of it', CODE, refusal(400), 'ServerError'],
  ])('%s', async (_, code, respond, name) => {
    const logged = warnings();
    const { gauthify } = await clientOf(respond);
    const error = await failureOf(
      firstValueFrom(gauthify.checkAuth(USER_ID, code, { safeMode })),
    );
    expect(error.name).toBe(name);
    expect(logged).toEqual([]);
  });
});

it.each<[string, object | undefined]>([
  ['left out', undefined],
  ['false', { safeMode: false }],
  ['not plainly true', { safeMode: 'false' }],
])('is off where it is %s', async (_, options) => {
  const { gauthify } = await clientOf(refusal(500));
  await expect(
    firstValueFrom(gauthify.checkAuth(USER_ID, CODE, options)),
  ).rejects.toMatchObject({ name: 'ServerError' });
});
