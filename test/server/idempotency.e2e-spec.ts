import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import {
  adapter,
  ADAPTERS,
  type Answer,
  call,
  createUser,
} from '../helpers/api.js';

describe.each(ADAPTERS)('Idempotency-Key on %s', (name) => {
  let server: GAuthifyTestServer;
  const start = async (
    idempotencyWaitMs: number,
    options: Parameters<typeof GAuthifyTestServer.start>[0] = {},
  ) => {
    server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
      apiKeys: [{ realm: 'other', key: 'key-of-another-realm' }],
      security: { idempotencyWaitMs },
      ...options,
    });
  };
  beforeEach(() => start(60_000));
  afterEach(() => server.close());

  const post = (
    path: string,
    params: Record<string, string>,
    key: string,
    headers: Record<string, string> = {},
  ) =>
    call(server, 'POST', path, params, {
      headers: { 'idempotency-key': key, ...headers },
    });
  const rows = async () => {
    const database = server.app.get<Database>(DATABASE);
    // Expired rows are deleted after an answer, in a unit of work before this one.
    return await database.unit(({ db }) =>
      db.selectFrom('idempotency').selectAll().execute(),
    );
  };
  const JANE = { unique_id: 'jane', display_name: 'Jane' };

  it('gives a repeated check the first answer, and another key another', async () => {
    const { unique_id, key } = await createUser(server);
    const params = { unique_id, auth_code: server.totp(key) };
    for (const [idempotencyKey, authenticated] of [
      ['a', true],
      ['a', true],
      ['b', false],
      ['a', true],
    ] as const)
      expect((await post('check/', params, idempotencyKey)).body.data).toEqual(
        expect.objectContaining({ authenticated }),
      );
  });

  it('acts once for 50 requests at the same moment', async () => {
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => post('users/', JANE, 'key')),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(201));
    expect(new Set(answers.map(({ body }) => body.data.key)).size).toBe(1);
    expect((await call(server, 'GET', 'users/')).body.data).toHaveLength(1);
  });

  it('refuses a repetition while the message of the first request is handed over', async () => {
    await server.close();
    let repeated: Answer | undefined;
    const send = async () => {
      repeated = await post('sms/', { unique_id: 'jane' }, 'key');
    };
    await start(1, { senders: { sms: { send } } });
    await post('users/', { ...JANE, sms_number: '9162627232' }, 'user');
    const first = await post('sms/', { unique_id: 'jane' }, 'key');
    expect(first.status).toBe(200);
    expect([repeated?.status, repeated?.body.error_code]).toEqual([
      500,
      'request_in_progress',
    ]);
  });

  it('refuses the key for another request', async () => {
    await post('users/', JANE, 'key');
    const { status, body } = await post(
      'users/',
      { ...JANE, unique_id: 'joe' },
      'key',
    );
    expect([status, body.error_code]).toEqual([406, 'idempotency_key_reused']);
    const params = { unique_id: 'jane', auth_code: '123456' };
    const other = await post('check/', params, 'key');
    expect(other.body.error_code).toBe('idempotency_key_reused');
  });

  it('keeps the keys of realms apart', async () => {
    await post('users/', JANE, 'key');
    const { status } = await post('users/', JANE, 'key', {
      authorization: 'key-of-another-realm',
    });
    expect(status).toBe(201);
    const list = await call(server, 'GET', 'users/');
    expect(list.body.data).toHaveLength(1);
  });

  it('gives nothing to who has no API key', async () => {
    await post('users/', JANE, 'key');
    const { status, headers } = await post('users/', JANE, 'key', {
      authorization: 'no-such-key-anywhere',
    });
    expect(status).toBe(401);
    expect(headers.get('idempotency-scope')).toBeNull();
  });

  it.each(['', 'ü', 'x'.repeat(256)])('refuses the key %j', async (key) => {
    const { status, body } = await post('users/', JANE, key);
    expect([status, body.error_message]).toEqual([
      406,
      expect.stringContaining('Idempotency-Key'),
    ]);
  });

  it('does not keep an error: the repetition is the first request', async () => {
    const params = { unique_id: 'jane', auth_code: '123456' };
    expect((await post('check/', params, 'key')).status).toBe(404);
    await post('users/', JANE, 'other');
    expect((await post('check/', params, 'key')).status).toBe(200);
  });

  it('keeps answers for ten minutes, and then not at all', async () => {
    const { body } = await post('users/', JANE, 'key');
    server.advance(599);
    expect((await post('users/', JANE, 'key')).body.data).toEqual(body.data);
    server.advance(2);
    expect((await post('users/', JANE, 'key')).status).toBe(409);
    server.advance(601);
    await post('check/', { unique_id: 'jane', auth_code: '1' }, 'third');
    expect(await rows()).toHaveLength(1);
  });

  it('clears away what expired a piece at a time', async () => {
    await post('users/', JANE, 'key');
    const [row] = await rows();
    await server.app
      .get<Database>(DATABASE)
      .read.insertInto('idempotency')
      .values(
        Array.from({ length: 1200 }, (_, i) => ({ ...row!, id: `old-${i}` })),
      )
      .execute();
    server.advance(601);
    const left = [];
    for (const key of ['1', '2', '3', '4']) {
      await post('check/', { unique_id: 'jane', auth_code: '1' }, key);
      left.push((await rows()).length);
    }
    // 1,201 of them, 500 a request, and one row for each request since.
    expect(left).toEqual([702, 203, 3, 4]);
  });

  it('stores neither key, code, secret nor answer in the clear', async () => {
    const { body } = await post('users/', JANE, 'the-key');
    const stored = JSON.stringify(await rows());
    for (const secret of ['the-key', 'jane', body.data.key, body.data.otp])
      expect(stored).not.toContain(secret);
  });

  it('does not act a second time where the first died in between', async () => {
    await server.close();
    await start(1);
    await post('users/', JANE, 'key');
    await server.app
      .get<Database>(DATABASE)
      .read.updateTable('idempotency')
      .set({ answer: null })
      .execute();
    const { status, body } = await post('users/', JANE, 'key');
    expect([status, body.error_code]).toEqual([500, 'request_in_progress']);
  });

  it('repeats a deletion and a change, and knows no key of a GET', async () => {
    await post('users/', JANE, 'create');
    const init = { headers: { 'idempotency-key': 'delete' } };
    for (let i = 0; i < 2; i++) {
      const { status, body } = await call(
        server,
        'DELETE',
        'users/jane/',
        undefined,
        init,
      );
      expect([status, body.data.unique_id]).toEqual([200, 'jane']);
    }
    expect(
      (await call(server, 'GET', 'users/jane/', undefined, init)).status,
    ).toBe(404);
  });
});
