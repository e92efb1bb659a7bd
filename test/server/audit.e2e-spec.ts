/** The audit log: what was done, in the unit of work that did it, chained. */
import 'reflect-metadata';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  afterAll,
  afterEach,
  beforeEach,
  describe,
  expect,
  it,
} from '@jest/globals';
import { sql } from 'kysely';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { AuditLog } from '../../lib/server/audit/audit-log.js';
import { AuditTrail } from '../../lib/server/audit/audit-trail.js';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import {
  call,
  check,
  createUser,
  ezToken,
  ORIGIN,
  wrongCode,
} from '../helpers/api.js';
import {
  createPostgres,
  describeWith,
  encryptionKeys,
} from '../helpers/postgres.js';

const folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const OTHER = randomBytes(16).toString('hex');

suite(
  describe,
  'SQLite',
  async () => `sqlite:${join(folder, `${++files}.db`)}`,
);
suite(
  describeWith(await createPostgres()),
  'PostgreSQL',
  async () => (await createPostgres()).url!,
);

function suite(
  describeThis: typeof describe | typeof describe.skip,
  name: string,
  newDatabase: () => Promise<string>,
): void {
  describeThis(`the audit log on ${name}`, () => {
    let server: GAuthifyTestServer;
    let database: string;
    const keys = encryptionKeys();
    const start = (options = {}) =>
      GAuthifyTestServer.start({
        database,
        encryptionKeys: keys,
        apiKeys: [{ realm: 'other', key: OTHER }],
        ...options,
      });
    beforeEach(async () => {
      database = await newDatabase();
      server = await start();
    });
    afterEach(() => server.close());

    const trail = () => server.app.get(AuditTrail);
    const rowsOf = async (realm = 'test') => {
      const rows = [];
      for await (const row of trail().export(realm, {})) rows.push(row);
      return rows;
    };
    const events = async () =>
      (await rowsOf()).map(({ action, details }) => [
        action,
        details === null ? {} : (JSON.parse(details) as object),
      ]);
    const verify = (realm = 'test') => trail().verify(realm);
    const byHand = (text: string) =>
      server.app
        .get<Database>(DATABASE)
        .unit(({ db }) => sql.raw(text).execute(db));
    const put = (user: any, params: Record<string, string>) =>
      call(server, 'PUT', `users/${user.unique_id}/`, params);

    it('has one row for each change and for each code that was looked at', async () => {
      const user = await createUser(server, { email: 'jane@example.com' });
      const path = `users/${user.unique_id}/`;
      await put(user, { email: 'joe@example.com', meta: '{"a":1}' });
      await check(server, user.unique_id, wrongCode(server, user.key));
      await check(server, user.unique_id, server.totp(user.key));
      await call(server, 'POST', 'email/', { unique_id: user.unique_id });
      const { body } = await call(server, 'POST', `${path}factors/`, {
        kind: 'totp',
        name: 'Tablet',
      });
      const factor = body.data.id;
      await call(server, 'PUT', `${path}factors/${factor}/`, { name: 'Phone' });
      await call(server, 'DELETE', `${path}factors/${factor}/`);
      await call(server, 'POST', `${path}recovery_codes/`);
      server.advance(30);
      const token = await ezToken(user, server.totp(user.key));
      await call(server, 'POST', 'token/', { token });
      await call(server, 'POST', `${path}unlock/`);
      await put(user, { reset_key: 'true' });
      await call(server, 'DELETE', path);
      // Reading leaves none.
      await call(server, 'GET', 'users/');
      const named = { name: expect.any(String) };
      const app = { factor, kind: 'totp' };
      expect(await events()).toEqual([
        ['user.create', named],
        ['user.update', { fields: ['email', 'meta'] }],
        ['check', { outcome: 'wrong' }],
        ['check', { outcome: 'accepted', method: 'totp' }],
        ['send', { channel: 'email' }],
        ['factor.add', app],
        ['factor.rename', app],
        ['factor.delete', app],
        ['recovery_codes.renew', {}],
        ['check', { outcome: 'accepted', method: 'totp' }],
        ['token.issue', {}],
        ['token.redeem', { method: 'totp' }],
        ['user.unlock', {}],
        ['user.reset', { fields: ['resetKey'] }],
        ['user.delete', named],
      ]);
      expect(await verify()).toMatchObject({
        first: 1,
        last: 15,
        problem: undefined,
      });
    });

    it('says who, from where and in which request, and no address, code or secret', async () => {
      const user = await createUser(server, {
        email: 'jane@example.com',
        sms_number: '9162627232',
      });
      const code = server.totp(user.key);
      const params = { unique_id: user.unique_id, auth_code: code };
      const answer = await call(server, 'POST', 'check/', params);
      await call(server, 'POST', 'email/', { unique_id: user.unique_id });
      const rows = await rowsOf();
      expect(rows[1]).toMatchObject({
        number: 2,
        actor: expect.stringMatching(/^api:[\w-]{8}$/),
        source: expect.stringMatching(/127\.0\.0\.1$/),
        request_id: answer.body.request_id,
      });
      const ids = new Set(rows.map(({ user_id }) => user_id));
      expect([...ids]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
      const text = JSON.stringify(rows);
      for (const secret of [
        user.unique_id,
        'jane@',
        '916262',
        code,
        user.key,
        user.otp,
        server.apiKey,
        server.lastCode(),
      ])
        expect(text).not.toContain(secret);
    });

    it('has no row of what was not done: a failure, a repetition, a refusal', async () => {
      const user = await createUser(server);
      const before = await rowsOf();
      await createUserAgain();
      async function createUserAgain() {
        const { unique_id } = user;
        const params = { unique_id, display_name: 'Jane' };
        const { status } = await call(server, 'POST', 'users/', params);
        expect(status).toBe(409);
      }
      await put({ unique_id: 'nobody' }, { display_name: 'x' });
      await check(server, 'nobody', '123456');
      expect(await rowsOf()).toEqual(before);
      const headers = { 'idempotency-key': randomUUID() };
      for (let i = 0; i < 2; i++)
        await call(
          server,
          'PUT',
          `users/${user.unique_id}/`,
          { display_name: 'Jane' },
          { headers },
        );
      expect(await rowsOf()).toHaveLength(2);
      for (let i = 0; i < 10; i++)
        await check(server, user.unique_id, wrongCode(server, user.key));
      // Five were looked at.
      expect(await rowsOf()).toHaveLength(7);
    });

    it('tells a message that failed from one that may have been sent', async () => {
      await server.close();
      server = await start({
        senders: { email: { send: () => Promise.reject(new Error('no')) } },
      });
      const user = await createUser(server, { email: 'jane@example.com' });
      await call(server, 'POST', 'email/', { unique_id: user.unique_id });
      expect((await events()).slice(1)).toEqual([
        ['send', { channel: 'email' }],
        ['send.failed', { channel: 'email' }],
      ]);
    });

    it('keeps the realms apart', async () => {
      await createUser(server);
      const headers = { authorization: OTHER };
      const params = { unique_id: 'x', display_name: 'X' };
      await call(server, 'POST', 'users/', params, { headers });
      expect(await trail().realms()).toEqual(['other', 'test']);
      for (const realm of ['other', 'test']) {
        expect(await rowsOf(realm)).toHaveLength(1);
        expect(await verify(realm)).toMatchObject({
          last: 1,
          problem: undefined,
        });
      }
    });

    it('is one chain, whatever is done at the same moment', async () => {
      const servers = [server];
      if (name === 'PostgreSQL') servers.push(await start());
      const one = (i: number) => servers[i % servers.length]!;
      const users = await Promise.all(
        Array.from({ length: 40 }, (_, i) => createUser(one(i))),
      );
      await Promise.all(
        users.flatMap((user, i) => [
          check(one(i), user.unique_id, one(i).totp(user.key)),
          call(one(i + 1), 'POST', `users/${user.unique_id}/recovery_codes/`),
        ]),
      );
      expect(await verify()).toMatchObject({ last: 120, problem: undefined });
      if (servers[1]) await servers[1].close();
    });

    const MINE = "realm = 'test'";
    it.each([
      [
        `update audit set details = '{}' where number = 3 and ${MINE}`,
        'row 3 was altered',
      ],
      [
        `update audit set actor = 'cli' where number = 3 and ${MINE}`,
        'row 3 was altered',
      ],
      [
        `update audit set at = at + 1 where number = 3 and ${MINE}`,
        'row 3 was altered',
      ],
      [
        `update audit set user_id = 'x' where number = 3 and ${MINE}`,
        'row 3 was altered',
      ],
      [
        `update audit set hash = (select hash from audit where number = 2 and ${MINE}) where number = 3 and ${MINE}`,
        'row 3 was altered',
      ],
      [
        `delete from audit where number = 3 and ${MINE}; update audit set ${MINE} where realm = 'other' and number = 3`,
        'row 3 was altered',
      ],
      [`delete from audit where number = 3 and ${MINE}`, 'row 3 is missing'],
      [
        `delete from audit where number < 3 and ${MINE}`,
        'the rows before 3 are missing',
      ],
      [
        `delete from audit where number > 4 and ${MINE}`,
        'the rows after 4 are missing',
      ],
      [
        `update audit set number = 105 where number = 5 and ${MINE}`,
        'the rows after 4 are missing',
      ],
      [`delete from audit where ${MINE}`, 'the rows after 0 are missing'],
      // A forged row of a prune: who wrote it read the hash of row 2, and has no key.
      [
        `insert into audit (realm, number, at, actor, action, details, hash) select realm, 999, at, actor, 'audit.prune', '{"number":2,"hash":"' || hash || '"}', hash from audit where number = 2 and ${MINE}; delete from audit where number < 3 and ${MINE}`,
        'the rows before 3 are missing',
      ],
      [
        `update audit set action = 'audit.prune', details = 'x' where number = 4 and ${MINE}; delete from audit where number < 3 and ${MINE}`,
        'the rows before 3 are missing',
      ],
      [
        `insert into audit (realm, number, at, actor, action, hash) select realm, 999, at, actor, action, hash from audit where number = 2 and ${MINE}`,
        'there are rows that are not in the chain',
      ],
      [
        `insert into audit (realm, number, at, actor, action, hash) select realm, -1, at, actor, action, hash from audit where number = 2 and ${MINE}`,
        'there are rows that are not in the chain',
      ],
    ])('shows what was done to it by hand: %s', async (change, problem) => {
      for (let i = 0; i < 5; i++) {
        await createUser(server);
        const params = { unique_id: `x${i}`, display_name: 'X' };
        const headers = { authorization: OTHER };
        await call(server, 'POST', 'users/', params, { headers });
      }
      expect((await verify()).problem).toBeUndefined();
      for (const statement of change.split(';')) await byHand(statement);
      expect((await verify()).problem).toContain(problem);
    });

    it('shows that its end was cut off to who noted it down before', async () => {
      for (let i = 0; i < 5; i++) await createUser(server);
      const { last, hash } = await verify();
      // As a copy of the tables from before would be.
      await byHand(
        "update audit_heads set number = 3, hash = (select hash from audit where number = 3 and realm = 'test') where realm = 'test'",
      );
      await byHand("delete from audit where number > 3 and realm = 'test'");
      expect((await verify()).problem).toBeUndefined();
      expect(
        (await trail().verify('test', [{ number: last, hash }])).problem,
      ).toBe('row 5, which is expected, is missing');
    });

    it('can be pruned, which it says', async () => {
      for (let i = 0; i < 5; i++) await createUser(server);
      server.advance(60);
      for (let i = 0; i < 2; i++) await createUser(server);
      const before = server.now() - 30_000;
      expect(await trail().prune('test', before, ORIGIN)).toBe(5);
      expect(await trail().prune('test', before, ORIGIN)).toBe(0);
      expect(await verify()).toMatchObject({
        first: 6,
        last: 8,
        problem: undefined,
      });
      await byHand("delete from audit where number = 6 and realm = 'test'");
      expect((await verify()).problem).toBe('the rows before 7 are missing');
    });

    it('is pruned in steps, so that nobody waits long', async () => {
      const log = server.app.get(AuditLog);
      const event = { realm: 'test', origin: ORIGIN, action: 'check' } as const;
      await server.app
        .get<Database>(DATABASE)
        .unit((unit) => log.append(unit, Array(5_002).fill(event)), 'commands');
      const steps: number[] = [];
      const later = server.now() + 60_000;
      const note = (deleted: number) => void steps.push(deleted);
      expect(await trail().prune('test', later, ORIGIN, note)).toBe(5_002);
      expect(steps).toEqual([5_000, 5_002]);
      expect(await verify()).toMatchObject({
        first: 5_003,
        last: 5_004,
        problem: undefined,
      });
    });

    it('finds the history of a user who is gone', async () => {
      const [jane, joe] = [await createUser(server), await createUser(server)];
      await put(jane, { display_name: 'Jane' });
      await put(joe, { display_name: 'Joe' });
      await call(server, 'DELETE', `users/${jane.unique_id}/`);
      const found = [];
      const query = { uniqueId: jane.unique_id as string };
      for await (const row of trail().export('test', query)) found.push(row);
      expect(found.map(({ action }) => action)).toEqual([
        'user.create',
        'user.update',
        'user.delete',
      ]);
    });

    it('is not written where it is switched off', async () => {
      await server.close();
      server = await start({ audit: false });
      await createUser(server);
      expect(await rowsOf()).toEqual([]);
    });
  });
}
