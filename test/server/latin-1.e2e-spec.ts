import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { adapter, ADAPTERS, call } from '../helpers/api.js';

describe.each(ADAPTERS)('bytes that are not UTF-8 on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
  });
  afterAll(() => server.close());

  const send = (method: string, path: string, body?: string | Buffer) =>
    call(server, method, path, undefined, {
      ...(body === undefined ? {} : { body }),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });

  it.each([
    ['POST', 'users/', 'unique_id=J%FCrgen&display_name=x', 'unique_id'],
    ['POST', 'users/?unique_id=J%E4rgen&display_name=x', '', 'unique_id'],
    ['POST', 'users/', 'unique_id=100%&display_name=x', 'unique_id'],
    ['POST', 'users/', 'unique_id=a&display_name=%C3%28', 'display_name'],
    ['POST', 'check/', 'unique_id=J%FCrgen&auth_code=123456', 'unique_id'],
    ['POST', 'check/?unique_id=a&auth_code=%ED%A0%80', '', 'auth_code'],
    ['POST', 'check/', 'unique_id=a&%FF=1', 'A name in the body'],
    ['GET', 'users/?after=%FC', undefined, 'after'],
    ['GET', 'users/J%FCrgen/', undefined, 'unique_id'],
    ['GET', 'users/100%/', undefined, 'unique_id'],
    ['PUT', 'users/J%FCrgen/', 'email=a%40example.com', 'unique_id'],
    ['DELETE', 'users/J%E4rgen/', undefined, 'unique_id'],
  ])('are refused: %s %s %s', async (method, path, body, named) => {
    const answer = await send(method, path, body);
    expect(answer.status).toBe(406);
    expect(answer.body).toMatchObject({
      http_status: 406,
      error_message: expect.stringContaining(
        `${named} must be percent-encoded UTF-8`,
      ),
      request_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
  });

  it('are refused raw, too', async () => {
    const body = Buffer.from('unique_id=J\xfcrgen&display_name=x', 'latin1');
    const answer = await send('POST', 'users/', body);
    expect([answer.status, answer.body.error_message]).toEqual([
      406,
      'The body must be UTF-8',
    ]);
  });

  it('make no user', async () => {
    const { body } = await call(server, 'GET', 'users/');
    expect(body.data).toEqual([]);
  });

  it('cannot be confused with UTF-8, which is read', async () => {
    for (const unique_id of ['Jürgen', 'Järgen', 'a%b', 'c+d e']) {
      const body = new URLSearchParams({ unique_id, display_name: unique_id });
      const made = await send('POST', 'users/', String(body));
      expect(made.body.data.unique_id).toBe(unique_id);
      const path = `users/${encodeURIComponent(unique_id)}/`;
      expect((await call(server, 'GET', path)).body.data).toEqual(
        made.body.data,
      );
    }
  });
});
