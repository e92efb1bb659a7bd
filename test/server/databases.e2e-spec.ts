/** What holds on every database. */
import 'reflect-metadata';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { sql } from 'kysely';
import { ApiKeysService } from 'nestjs-gauthify/server';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import {
  DATABASE,
  type Database,
  type Queries,
  type Unit,
} from '../../lib/server/store/database.js';
import { openDatabase } from '../../lib/server/store/open-database.js';
import {
  FactorSecrets,
  SEALED_COLUMNS,
} from '../../lib/server/store/factor-secrets.js';
import { Keyring } from '../../lib/server/store/keyring.js';
import { reseal } from '../../lib/server/store/reseal.js';
import { type Answer, call, ezToken, wrongCode } from '../helpers/api.js';
import {
  createPostgres,
  describeWith,
  encryptionKeys,
} from '../helpers/postgres.js';

const postgres = await createPostgres();
const folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
afterAll(() => rmSync(folder, { recursive: true }));

contract(describe, 'a SQLite file', `sqlite:${join(folder, 'db.sqlite')}`);
contract(describe, 'SQLite in memory', 'sqlite::memory:');
contract(describeWith(postgres), 'PostgreSQL', postgres.url!);

function contract(
  describeThis: typeof describe | typeof describe.skip,
  name: string,
  url: string,
): void {
  describeThis(`on ${name}`, () => {
    let server: GAuthifyTestServer;
    const keys = encryptionKeys();
    const start = () =>
      GAuthifyTestServer.start({ database: url, encryptionKeys: keys });
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server.close());

    const post = (path: string, params: Record<string, string>, key?: string) =>
      call(server, 'POST', path, params, {
        headers: key === undefined ? {} : { 'idempotency-key': key },
      });
    const get = (path: string) => call(server, 'GET', path);
    const create = (unique_id: string, more: Record<string, string> = {}) =>
      post('users/', { unique_id, display_name: unique_id, ...more });
    const check = async (auth_code: string) =>
      (await post('check/', { unique_id: 'jane', auth_code })).body.data;
    const accepted = (method: string) =>
      expect.objectContaining({ authenticated: true, method });
    const refused = expect.objectContaining({ authenticated: false });
    const outcome = ({ status, body }: Answer) => [status, body.error_code];

    let jane: any;
    beforeEach(async () => {
      await call(server, 'DELETE', 'users/jane/');
      // Sends to the addresses of the test before are forgotten.
      server.advance(24 * 3600);
      const { body } = await create('jane', {
        email: 'jane@example.com',
        sms_number: '9162627232',
        voice_number: '9162627233',
        meta: '{"plan":"ä"}',
      });
      jane = body.data;
    });

    it('creates, reads, updates and deletes a user', async () => {
      expect(jane).toMatchObject({
        unique_id: 'jane',
        email: 'jane@example.com',
        sms_number: '+19162627232',
        meta: { plan: 'ä' },
      });
      expect((await get('users/jane/')).body.data).toEqual(jane);
      expect(outcome(await create('jane'))).toEqual([409, 'user_exists']);
      const { body } = await call(server, 'PUT', 'users/jane/', {
        display_name: '字😀',
      });
      expect(body.data).toMatchObject({
        unique_id: 'jane',
        display_name: '字😀',
        key: jane.key,
        otp: jane.otp,
      });
      const deleted = await call(server, 'DELETE', 'users/jane/');
      expect(deleted.body.data).toEqual(body.data);
      for (const answer of [
        await get('users/jane/'),
        await call(server, 'PUT', 'users/jane/', { display_name: 'x' }),
        await call(server, 'DELETE', 'users/jane/'),
        await post('check/', { unique_id: 'jane', auth_code: '123456' }),
      ])
        expect(outcome(answer)).toEqual([404, 'user_not_found']);
    });

    it('takes texts of full length, and answers what cannot be a user without an error of its own', async () => {
      const unique_id = '字'.repeat(255);
      const { status, body } = await create(unique_id, {
        display_name: '😀'.repeat(127),
      });
      expect(status).toBe(201);
      const path = `users/${encodeURIComponent(unique_id)}/`;
      expect((await get(path)).body.data).toEqual(body.data);
      await call(server, 'DELETE', path);
      for (const id of ['a%00b', '%F0%9F%98%80', 'x'.repeat(256)])
        expect([404, 406]).toContain((await get(`users/${id}/`)).status);
      const last = await get('users/?page=9007199254740991&page_size=100');
      expect(last.status).toBeLessThan(500);
    });

    it.each([
      ['users/%00/', 404, 'user_not_found'],
      ['users/jane/factors/%00/', 404, 'factor_not_found'],
      ['users/?after=%00', 406, 'invalid_parameter'],
    ])(
      'answers %s, which no user can have, with %d',
      async (path, status, code) => {
        const answer = await call(
          server,
          path.includes('factors') ? 'DELETE' : 'GET',
          path,
        );
        expect([answer.status, answer.body.error_code]).toEqual([status, code]);
      },
    );

    it('pages in the order of creation, and by the bytes of unique_id', async () => {
      const ids = ['a', 'B', 'ä', 'Z-1', 'z', '_', '10', '9', 'a b', 'a-b'];
      for (const id of ids) await create(id);
      const idsOf = async (query: string) =>
        (await get(`users/${query}`)).body.data.map(
          (user: any) => user.unique_id,
        );
      expect(await idsOf('')).toEqual(['jane', ...ids]);
      expect(await idsOf('?page=2&page_size=3')).toEqual(['ä', 'Z-1', 'z']);
      const sorted = [...ids, 'jane'].sort((a, b) =>
        Buffer.compare(Buffer.from(a), Buffer.from(b)),
      );
      const paged: string[] = [];
      for (;;) {
        const after = encodeURIComponent(paged.at(-1) ?? '');
        const page = await idsOf(`?after=${after}&page_size=4`);
        paged.push(...page);
        if (page.length < 4) break;
      }
      expect(paged).toEqual(sorted);
      for (const id of ids)
        await call(server, 'DELETE', `users/${encodeURIComponent(id)}/`);
    });

    it('accepts every kind of code once', async () => {
      const codes: [string, string][] = [
        ['totp', server.totp(jane.key)],
        ['otp', jane.otp],
      ];
      const added = await post('users/jane/factors/', { kind: 'totp' });
      codes.push(['totp', server.totp(added.body.data.key)]);
      const recovery = await post('users/jane/recovery_codes/', {});
      const [first, second] = recovery.body.data.recovery_codes;
      codes.push(['recovery', first], ['recovery', second]);
      const once = async (method: string, code: string) => {
        expect(await check(code)).toEqual(accepted(method));
        expect(await check(code)).toEqual(refused);
      };
      for (const [method, code] of codes) await once(method, code);
      for (const channel of ['email', 'sms', 'voice']) {
        const { status } = await post(`${channel}/`, { unique_id: 'jane' });
        expect(status).toBe(200);
        await once(channel, server.lastCode());
      }
    });

    it('makes a guesser wait, counts the tries of a sent code, and limits sends', async () => {
      await post('email/', { unique_id: 'jane' });
      expect(outcome(await post('email/', { unique_id: 'jane' }))).toEqual([
        402,
        'too_many_sends',
      ]);
      for (let i = 0; i < 5; i++)
        expect(await check(wrongCode(server, jane.key))).toEqual(refused);
      const params = { unique_id: 'jane', auth_code: server.totp(jane.key) };
      expect(outcome(await post('check/', params))).toEqual([
        402,
        'too_many_attempts',
      ]);
      server.advance(30);
      // Five tries were wrong.
      expect(await check(server.lastCode())).toEqual(refused);
      await post('users/jane/unlock/', {});
      expect(await check(server.totp(jane.key))).toEqual(accepted('totp'));
    });

    it('gives a token for a right code, and redeems it once', async () => {
      const token = await ezToken(jane, server.totp(jane.key));
      const { body } = await post('token/', { token });
      expect(body.data).toMatchObject({ unique_id: 'jane', method: 'totp' });
      expect((await post('token/', { token })).status).toBe(404);
    });

    it('answers a repetition as the first request, and refuses the key for another', async () => {
      const code = server.totp(jane.key);
      const params = { unique_id: 'jane', auth_code: code };
      const first = await post('check/', params, 'k1');
      expect(first.body.data).toEqual(accepted('totp'));
      const again = await post('check/', params, 'k1');
      expect(again.body.data).toEqual(first.body.data);
      expect(await check(code)).toEqual(refused);
      const other = await post('sms/', { unique_id: 'jane' }, 'k1');
      expect(outcome(other)).toEqual([406, 'idempotency_key_reused']);
      const sent = server.outbox.length;
      for (let i = 0; i < 2; i++) {
        const answer = await post('sms/', { unique_id: 'jane' }, 'k2');
        expect(answer.status).toBe(200);
      }
      expect(server.outbox).toHaveLength(sent + 1);
    });

    it('forgets answers, and deletes their records, once they have expired', async () => {
      const { read } = server.app.get<Database>(DATABASE);
      await post('users/jane/unlock/', {}, 'k3');
      server.advance(24 * 3600);
      // The first request after that deletes them, in a unit of its own.
      await post('users/jane/unlock/', {}, 'k4');
      await post('users/jane/unlock/', {});
      const rows = () =>
        read.selectFrom('idempotency').select('expires_at').execute();
      // On PostgreSQL that unit may still be running.
      while ((await rows()).length > 1);
      expect(await rows()).toHaveLength(1);
    });

    it('renews what 0.1.0 has sealed, also twice at once', async () => {
      const { app } = server;
      const database = app.get<Database>(DATABASE);
      const [keyring, secrets] = [app.get(Keyring), app.get(FactorSecrets)];
      await database.unit(async ({ db }) => {
        const factors = await db
          .selectFrom('factors')
          .innerJoin('users', 'users.id', 'user_id')
          .select([...SEALED_COLUMNS, 'realm', 'unique_id'])
          .where('kind', '!=', 'recovery')
          .execute();
        for (const factor of factors) {
          const place = `users\n${factor.user_id}\n${factor.kind}_secret`;
          const secret = keyring.seal(secrets.open(factor, factor), place);
          await db
            .updateTable('factors')
            .set({ secret })
            .where('id', '=', factor.id)
            .execute();
        }
        // 0.1.0 had none of these.
        await db.deleteFrom('factors').where('kind', '=', 'recovery').execute();
        await db.deleteFrom('api_keys').execute();
        await db.deleteFrom('seals').execute();
      });
      const params = { unique_id: 'jane', auth_code: server.totp(jane.key) };
      expect((await post('check/', params)).status).toBe(500);
      await Promise.all([1, 2].map(() => reseal(database, keyring, secrets)));
      expect(await check(params.auth_code)).toEqual(accepted('totp'));
    });

    it('is closed once, however often that is asked for', async () => {
      const database = await openDatabase(url);
      await Promise.all([database.close(), database.close()]);
      await database.close();
      expect((await get('errors/')).status).toBe(200);
    });

    it('undoes a unit that fails', async () => {
      const database = server.app.get<Database>(DATABASE);
      const failing = database.unit(async ({ db }) => {
        await db.deleteFrom('users').execute();
        throw new Error('not today');
      });
      await expect(failing).rejects.toThrow('not today');
      expect((await get('users/jane/')).body.data).toEqual(jane);
    });

    // In memory, a snapshot is a unit: others wait for it.
    if (!url.endsWith(':memory:'))
      it('reads one moment in a snapshot, while others write', async () => {
        const database = server.app.get<Database>(DATABASE);
        const nameIn = async (db: Queries) =>
          (
            await db
              .selectFrom('users')
              .select('display_name')
              .where('unique_id', '=', 'jane')
              .executeTakeFirstOrThrow()
          ).display_name;
        const seen = await database.snapshot(async (db) => {
          const first = await nameIn(db);
          const other = await database.snapshot(async () => {
            await call(server, 'PUT', 'users/jane/', { display_name: 'later' });
            return await nameIn(db);
          });
          return [first, other, await nameIn(db)];
        });
        expect(seen).toEqual(['jane', 'jane', 'jane']);
        expect(await database.snapshot(nameIn)).toBe('later');
      });

    if (name === 'PostgreSQL')
      it('gives up what takes long, but not the work of a command', async () => {
        const database = server.app.get<Database>(DATABASE);
        const now = performance.now.bind(performance);
        let later = 0;
        const clock = jest
          .spyOn(performance, 'now')
          .mockImplementation(() => now() + later);
        const tenMinutes = async (db: Queries) => {
          later += 600_000;
          const { rows } = await sql<Record<string, string>>`
            select current_setting('statement_timeout') as statement,
              current_setting('lock_timeout') as lock,
              current_setting('idle_in_transaction_session_timeout') as idle,
              pg_sleep(0.1)`.execute(db);
          return rows[0];
        };
        try {
          const work = ({ db }: Unit) => tenMinutes(db);
          expect([
            await database.snapshot(tenMinutes, 'commands'),
            // What it locks, others wait for.
            await database.unit(work, 'commands'),
            await database.snapshot(tenMinutes, 'commands'),
          ]).toMatchObject([
            { statement: '0', lock: '0', idle: '0' },
            { statement: '0', lock: '2s', idle: '10s' },
            { statement: '0', lock: '0', idle: '0' },
          ]);
          const failure = 'The database could not be reached';
          await expect(database.snapshot(tenMinutes)).rejects.toThrow(failure);
          await expect(database.unit(work)).rejects.toThrow(failure);
        } finally {
          clock.mockRestore();
        }
      });

    it('never says that a unit was done of which a part is missing', async () => {
      const database = server.app.get<Database>(DATABASE);
      const said = await database
        .unit(async ({ db }) => {
          await db.updateTable('users').set({ email: 'x@y.zz' }).execute();
          const copy = db.selectFrom('idempotency_scope').select('id');
          await db
            .insertInto('idempotency_scope')
            .columns(['id'])
            .expression(copy)
            .execute()
            .catch(() => undefined);
        })
        .then(
          () => 'x@y.zz',
          () => 'jane@example.com',
        );
      // SQLite undoes the failed statement alone, PostgreSQL the whole unit.
      expect((await get('users/jane/')).body.data.email).toBe(said);
    });
  });
}

describe('a first API key', () => {
  const standsOnce = async (url: string) => {
    const servers: GAuthifyTestServer[] = [];
    for (let i = 0; i < 2; i++)
      servers.push(
        await GAuthifyTestServer.start({ database: url, encryptionKeys: KEYS }),
      );
    for (const server of servers)
      // As the program has none of its own.
      Object.assign(server.app.get(ApiKeysService), {
        settings: { apiKeys: [] },
      });
    const made = await Promise.all(
      servers.map(({ app }) => app.get(ApiKeysService).createFirst()),
    );
    const keys = made.filter((key) => key !== undefined);
    expect(keys).toHaveLength(1);
    for (const { app } of servers)
      expect(await app.get(ApiKeysService).identify(keys[0]!)).toMatchObject({
        realm: 'default',
      });
    for (const server of servers) await server.close();
  };
  const KEYS = encryptionKeys();

  it('is made by one of two processes on a SQLite file', () =>
    standsOnce(`sqlite:${join(folder, 'first-key.sqlite')}`));

  (postgres.url ? it : it.skip)(
    'is made by one of two instances on PostgreSQL',
    async () => standsOnce((await createPostgres()).url!),
  );
});
