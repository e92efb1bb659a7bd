/** What anyone can send without a key must take linear time: the server has one thread. */
import 'reflect-metadata';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { adapter, ADAPTERS } from '../helpers/api.js';
import { sendRaw } from '../helpers/raw-http.js';

const LENGTH = 15_500;
const repeat = (text: string) => text.repeat(LENGTH / text.length);

const get = (target: string, header = '') =>
  `GET ${target} HTTP/1.1\r\nHost: x\r\n${header}Connection: close\r\n\r\n`;
const form = repeat('/');
const REQUESTS: [string, string][] = [
  ['slashes before the end', get(`/v1/${repeat('/')}a`)],
  ['slashes before the end of an id', get(`/v1/users/${repeat('/')}a`)],
  ['slashes at the end', get(`/v1/users${repeat('/')}`)],
  ['slashes outside the API', get(`/${repeat('/')}a`)],
  ['slashes in the path of a page', get(`/v1/ez/${repeat('/')}a`)],
  ['percent signs', get(`/v1/users/${repeat('%')}`)],
  ['question marks', get(`/v1/users/${repeat('?')}`)],
  ['ampersands', get(`/v1/users/?${repeat('&')}`)],
  ['an absolute URL', get(`http://${repeat('a')}`)],
  [
    'spaces in Authorization',
    get('/v1/users/', `Authorization: Basic${repeat(' ')}a\r\n`),
  ],
  [
    'colons in Authorization',
    get('/v1/users/', `Authorization: ${repeat(':')}\r\n`),
  ],
  [
    'spaces in Content-Type',
    `POST /v1/users/ HTTP/1.1\r\nHost: x\r\nContent-Type: a${repeat(' ')}a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
  ],
  [
    'a body of slashes',
    `POST /v1/check/ HTTP/1.1\r\nHost: x\r\nContent-Length: ${form.length}\r\nConnection: close\r\n\r\n${form}`,
  ],
];

describe.each(ADAPTERS)('on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
  });
  afterAll(() => server.close());

  async function longestPause(bytes: string): Promise<number> {
    const delays = monitorEventLoopDelay({ resolution: 2 });
    delays.enable();
    const { status } = await sendRaw(server.accessPoint, bytes);
    // The timer of the histogram must run once more after a pause.
    await new Promise((resolve) => setTimeout(resolve, 5));
    delays.disable();
    expect(status).toBeGreaterThanOrEqual(200);
    return delays.max / 1e6;
  }

  it.each(REQUESTS)('%s do not stop the server', async (_, bytes) => {
    const pauses: number[] = [];
    // The best of a few: another program may take the processor.
    do pauses.push(await longestPause(bytes));
    while (pauses.at(-1)! >= 50 && pauses.length < 5);
    expect(Math.min(...pauses)).toBeLessThan(50);
  });
});
