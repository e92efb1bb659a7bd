import 'reflect-metadata';
import { inspect } from 'node:util';
import { describe, expect, it, jest } from '@jest/globals';
import { ServerError } from 'nestjs-gauthify';
import { firstValueFrom } from 'rxjs';
import {
  breakOff,
  data,
  deadUrl,
  dribble,
  hang,
  hangUp,
  json,
  refusal,
  text,
  wireUser,
  type Respond,
} from '../helpers/access-point.js';
import {
  accessPoint,
  afterThisTest,
  API_KEY,
  client,
  clientOf,
  failureOf,
} from '../helpers/client.js';

const USELESS: [string, Respond][] = [
  ...[403, 405, 407, 408, 410, 418, 422, 429, 500, 502, 503, 504].map(
    (status): [string, Respond] => [`status ${status}`, refusal(status)],
  ),
  ['an HTML page', text(200, '<html>', { 'content-type': 'text/html' })],
  ['an HTML 401', text(401, '<html>')],
  ['an HTML 404', text(404, '<html>')],
  ['garbage', text(200, '{"data": {')],
  ['an empty body', text(200, '')],
  ['a JSON array', json(200, [])],
  ['JSON null', json(200, null)],
  ['a JSON string', json(200, 'data')],
  ['an object without data', json(200, { hello: 'world' })],
  ['no answer', hang],
  ['a byte now and then', dribble],
  ['a closed socket', hangUp],
  ['a body that breaks off', breakOff],
];

describe('an access point with', () => {
  it.each(USELESS)('%s makes the client ask the next', async (_, respond) => {
    const first = await accessPoint(respond);
    const second = await accessPoint(data(wireUser()));
    const third = await accessPoint(data(wireUser()));
    const gauthify = await client([first, second, third], { timeoutMs: 1000 });
    await expect(
      firstValueFrom(gauthify.getUser('jane')),
    ).resolves.toMatchObject({ uniqueId: 'jane' });
    expect([first, second, third].map(({ seen }) => seen.length)).toEqual([
      1, 1, 0,
    ]);
  });

  it.each(USELESS)(
    '%s, the last of all, is a ServerError',
    async (_, respond) => {
      const { gauthify } = await clientOf(respond, { timeoutMs: 1000 });
      const error = await failureOf(firstValueFrom(gauthify.getUser('jane')));
      expect(error).toBeInstanceOf(ServerError);
      expect(error).toMatchObject({
        httpStatus: 500,
        errorCode: 'unreachable',
      });
    },
  );
});

describe('when no access point can serve the call', () => {
  it('asks each once, in order, and says in the cause what happened where', async () => {
    const refusing = await deadUrl();
    const silent = await accessPoint(hang);
    const failing = await accessPoint(refusal(503));
    const page = await accessPoint(text(200, '<html>'));
    const gauthify = await client([refusing, silent, failing, page]);
    const setTimer = jest.spyOn(globalThis, 'setTimeout');
    afterThisTest(async () => setTimer.mockRestore());
    const arrived = silent.nextSocket();
    const failure = failureOf(firstValueFrom(gauthify.getUser('jane')));
    await arrived;
    // The timer of the attempt at the silent one: its time is over now.
    const timer = setTimer.mock.calls.findLast(([, ms]) => ms === 5000);
    timer![0]();
    const error = await failure;
    expect(error.cause).toBeInstanceOf(AggregateError);
    expect(
      (error.cause as AggregateError).errors.map(({ message }) => message),
    ).toEqual([
      `${refusing} refused the connection: is the GAuthify server running there?`,
      `${silent.url} did not answer within 5000 ms (timeoutMs)`,
      `${failing.url} answered 503`,
      `${page.url} answered 200 with something that is no JSON object`,
    ]);
    expect([silent, failing, page].map(({ seen }) => seen.length)).toEqual([
      1, 1, 1,
    ]);
  });

  it('shows a browser neither addresses nor causes', async () => {
    const gauthify = await client([await deadUrl()]);
    const error = await failureOf(firstValueFrom(gauthify.getUser('jane')));
    expect(error.getResponse()).toEqual({
      statusCode: 500,
      code: 'unreachable',
      message: 'GAuthify could not be reached or failed.',
    });
  });

  it.each([
    ['refused', async () => deadUrl()],
    ['a 500', async () => (await accessPoint(refusal(500))).url],
    ['a broken body', async () => (await accessPoint(breakOff)).url],
    ['silence', async () => (await accessPoint(hang)).url],
  ])('keeps key and code out of the error: %s', async (_, start) => {
    const gauthify = await client([await start()], { timeoutMs: 100 });
    const error = await failureOf(
      firstValueFrom(gauthify.checkAuth('jane', '987654')),
    );
    const everything = inspect(error, { depth: 20, showHidden: true });
    expect(everything).not.toContain(API_KEY);
    expect(everything).not.toContain(
      Buffer.from(`:${API_KEY}`).toString('base64'),
    );
    expect(everything).not.toContain('987654');
  });

  it('gives up after totalTimeoutMs, with access points still to ask', async () => {
    const silent = await accessPoint(hang);
    const second = await accessPoint(data(wireUser()));
    const gauthify = await client([silent, second], {
      timeoutMs: 60_000,
      totalTimeoutMs: 100,
    });
    const error = await failureOf(firstValueFrom(gauthify.getUser('jane')));
    expect(error).toBeInstanceOf(ServerError);
    expect((error.cause as AggregateError).message).toBe(
      'No access point answered within 100 ms (totalTimeoutMs)',
    );
    expect(second.seen).toEqual([]);
  });
});
