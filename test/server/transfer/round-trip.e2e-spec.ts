/** Users that leave a server and arrive at another one, on every database. */
import 'reflect-metadata';
import { createHash, randomBytes } from 'node:crypto';
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
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { DATABASE, type Database } from '../../../lib/server/store/database.js';
import { Keyring } from '../../../lib/server/store/keyring.js';
import { apiKeyHashes } from '../../../lib/server/store/stored-hashes.js';
import { call, check, createUser } from '../../helpers/api.js';
import {
  createPostgres,
  describeWith,
  encryptionKeys,
} from '../../helpers/postgres.js';
import {
  exportOf,
  importInto,
  jsonLines,
  newSecret,
  pieces,
  usersOf,
} from '../../helpers/transfer.js';

const postgres = await createPostgres();
let databases = 0;
const folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
afterAll(() => rmSync(folder, { recursive: true }));

suite(describe, 'a SQLite file', () =>
  Promise.resolve(`sqlite:${join(folder, `${++databases}.sqlite`)}`),
);
suite(
  describeWith(postgres),
  'PostgreSQL',
  async () => (await createPostgres()).url!,
);

function suite(
  describeThis: typeof describe | typeof describe.skip,
  name: string,
  createDatabase: () => Promise<string>,
): void {
  describeThis(`on ${name}`, () => {
    const keys = encryptionKeys();
    const running: GAuthifyTestServer[] = [];
    const start = async (encryption = keys) => {
      const server = await GAuthifyTestServer.start({
        database: await createDatabase(),
        encryptionKeys: encryption,
      });
      running.push(server);
      return server;
    };
    let old: GAuthifyTestServer;
    beforeEach(async () => {
      old = await start();
    });
    afterEach(async () => {
      for (const server of running.splice(0)) await server.close();
    });
    const get = async (server: GAuthifyTestServer, id: string) =>
      (await call(server, 'GET', `users/${id}/`)).body.data;

    it('takes everything of a user along: secrets, used codes, recovery codes, waits and epoch', async () => {
      const jane = await createUser(old, {
        email: 'jane@example.com',
        sms_number: '9162627232',
        meta: '{"plan":"ä","b":[1,{"c":null}]}',
      });
      const id: string = jane.unique_id;
      const used = old.totp(jane.key);
      await check(old, id, used);
      await check(old, id, jane.otp);
      const { otp } = await get(old, id);
      const second = await call(old, 'POST', `users/${id}/factors/`, {
        kind: 'totp',
        name: 'Work phone',
        algorithm: 'SHA256',
        digits: '8',
        period: '60',
      });
      const codes = (await call(old, 'POST', `users/${id}/recovery_codes/`))
        .body.data.recovery_codes;
      await check(old, id, codes[0]);
      await check(old, id, '000000');

      const text = await exportOf(old, 'test');
      const server = await start();
      const report = await importInto(server, text, { realm: undefined });
      expect(report).toMatchObject({ created: 1, refused: 0, warnings: 0 });

      const own = (user: object) =>
        Object.fromEntries(
          Object.entries(user).filter(([field]) => !/_url$/.test(field)),
        );
      const before = await get(old, id);
      expect(own(await get(server, id))).toEqual(own(before));
      expect(before).toMatchObject({ enrolled: true, recovery_codes_left: 9 });
      expect(
        (await call(server, 'GET', `users/${id}/factors/`)).body.data,
      ).toEqual((await call(old, 'GET', `users/${id}/factors/`)).body.data);
      expect(second.status).toBe(201);
      const codesOf = [
        [used, false],
        [codes[0], false],
        [codes[1], true],
        [codes[1], false],
        [otp, true],
        [old.totp(jane.key, 1), true],
      ] as const;
      for (const [code, authenticated] of codesOf)
        expect(await check(server, id, code)).toMatchObject({ authenticated });
      expect(usersOf(text)[0]).toMatchObject({ failures: 1 });
    });

    it('keeps a locked user locked', async () => {
      const { unique_id } = await createUser(old);
      for (let i = 0; i < 5; i++) await check(old, unique_id, '000000');
      const refused = { error_code: 'too_many_attempts' };
      expect(await check(old, unique_id, '000000')).toMatchObject(refused);
      const server = await start();
      await importInto(server, await exportOf(old));
      expect(await check(server, unique_id, '000000')).toMatchObject(refused);
    });

    it('exports 5,000 users, and exports the same again from where they were imported', async () => {
      const users = Array.from({ length: 5000 }, (_, i) => ({
        unique_id: `${['a', 'Z', 'é', '字', '😀'][i % 5]}-${i}`,
        display_name: `User ${i}`,
        meta: i % 3 ? null : { i },
        email: i % 2 ? `user-${i}@example.com` : '',
        failures: i % 7,
        factors: [
          { secret: newSecret(), algorithm: i % 11 ? 'SHA1' : 'SHA512' },
          ...(i % 10 ? [] : [{ secret: newSecret(), name: 'second' }]),
        ],
        recovery_codes: i % 50 ? [] : ['abcde-fghij', 'klmno-pqrst'],
      }));
      const made = await importInto(old, jsonLines(users));
      expect(made).toMatchObject({ created: 5000, refused: 0 });
      const first = await exportOf(old);
      expect(usersOf(first)).toHaveLength(5000);
      const server = await start();
      const moved = await importInto(server, first, { realm: undefined });
      expect(moved).toMatchObject({ created: 5000, recoveryCodesLeftOut: 0 });
      // Not `toBe`: a difference of megabytes cannot be read.
      expect((await exportOf(server)) === first).toBe(true);

      const again = await importInto(server, first, { realm: undefined });
      expect(again).toMatchObject({ created: 0, skipped: 5000 });
      expect((await exportOf(server)) === first).toBe(true);
    }, 120_000);

    it('goes on where it was interrupted', async () => {
      const text = jsonLines(
        Array.from({ length: 900 }, (_, i) => ({
          unique_id: `user-${i}`,
          factors: [{ secret: newSecret() }],
        })),
      );
      async function* interrupted() {
        yield* pieces(text.slice(0, text.length / 2));
        throw new Error('The power failed');
      }
      await expect(importInto(old, interrupted())).rejects.toThrow(
        'The power failed',
      );
      const half = usersOf(await exportOf(old));
      expect(half.length).toBeGreaterThan(400);
      expect(half.length).toBeLessThan(500);
      const rest = await importInto(old, text);
      expect(rest).toMatchObject({
        created: 900 - half.length,
        skipped: half.length,
        refused: 0,
      });
      const kept = usersOf(await exportOf(old)).filter(({ id }) =>
        half.some((user) => user.id === id),
      );
      expect(kept).toEqual(half);
    });

    it('changes nothing in a dry run, and reports what the run then does', async () => {
      await createUser(old);
      const text = jsonLines([
        { unique_id: 'new', factors: [{ secret: newSecret(10) }] },
        { unique_id: 'bad', email: 'nobody' },
        { unique_id: 'without' },
      ]);
      const before = await exportOf(old);
      const dry = await importInto(old, text, { dryRun: true });
      expect(await exportOf(old)).toBe(before);
      expect(dry).toMatchObject({
        read: 3,
        created: 2,
        refused: 1,
        weakSecrets: 1,
        withoutFactor: 1,
      });
      expect(await importInto(old, text)).toEqual(dry);
    });

    describe('for a user who exists', () => {
      let jane: any;
      let line: object;
      beforeEach(async () => {
        jane = await createUser(old, { email: 'jane@example.com' });
        await check(old, jane.unique_id, old.totp(jane.key));
        for (let i = 0; i < 2; i++) await check(old, jane.unique_id, '000000');
        jane = usersOf(await exportOf(old))[0];
        line = {
          unique_id: jane.unique_id,
          display_name: 'Jane',
          email: 'jane@example.org',
          factors: [{ secret: newSecret() }],
          recovery_codes: ['abcde-fghij'],
          enrolled: false,
          failures: 0,
          epoch: 'another',
        };
      });
      const now = async () => usersOf(await exportOf(old))[0];
      const run = (existing: 'skip' | 'update' | 'fail', dryRun = false) =>
        importInto(old, jsonLines([line]), { existing, dryRun });

      it('skips them by default', async () => {
        expect(await run('skip')).toMatchObject({ skipped: 1, refused: 0 });
        expect(await now()).toEqual(jane);
      });

      it('refuses them with "fail"', async () => {
        expect((await run('fail')).problems).toEqual([
          { line: 1, reason: 'exists already' },
        ]);
        expect(await now()).toEqual(jane);
      });

      it('updates name and addresses with "update", never factors, failures or enrolment, and ends proofs', async () => {
        expect(await run('update', true)).toMatchObject({ updated: 1 });
        expect(await now()).toEqual(jane);
        expect(await run('update')).toMatchObject({ updated: 1, created: 0 });
        const after = await now();
        expect(after).toEqual({
          ...jane,
          display_name: 'Jane',
          email: 'jane@example.org',
          epoch: after.epoch,
        });
        expect(after.epoch).not.toBe(jane.epoch);
        expect(after.epoch).not.toBe('another');
        expect(await run('update')).toMatchObject({ updated: 0, skipped: 1 });
        expect(await now()).toEqual(after);
      });

      it('leaves fields alone that the file does not have', async () => {
        line = { unique_id: jane.unique_id, display_name: 'Jane' };
        await run('update');
        // A name is no reason to end proofs.
        expect(await now()).toEqual({ ...jane, display_name: 'Jane' });
      });

      it('ends a code that was sent to the address before', async () => {
        await call(old, 'POST', 'email/', { unique_id: jane.unique_id });
        const code = old.lastCode();
        await run('update');
        expect(await check(old, jane.unique_id, code)).toMatchObject({
          authenticated: false,
        });
      });
    });

    it('takes recovery codes to a server with other keys, and nothing that its own keys protect', async () => {
      const { unique_id } = await createUser(old);
      const path = `users/${unique_id}/recovery_codes/`;
      const [code] = (await call(old, 'POST', path)).body.data.recovery_codes;
      const text = await exportOf(old);
      const server = await start(encryptionKeys());
      server.advance(60);
      expect(await importInto(server, text)).toMatchObject({
        created: 1,
        recoveryCodesLeftOut: 0,
      });
      for (const authenticated of [true, false])
        expect(await check(server, unique_id, code)).toMatchObject({
          authenticated,
        });
      // The imported key is newer here, and hashes nothing new all the same.
      const { unique_id: another } = await createUser(server);
      await call(server, 'POST', `users/${another}/recovery_codes/`);
      const keysUsed = (await exportOf(server)).match(/"secret":"\w+\./g);
      expect(new Set(keysUsed).size).toBe(2);
      // Whoever has the file, and can write to the database, makes no API key of it.
      const header = JSON.parse(text.split('\n', 1)[0]!);
      expect(header.recovery_keys).toHaveLength(1);
      const [{ id, key }] = header.recovery_keys;
      const forger = (purpose: 'hashing' | 'encryption') => ({
        id,
        purpose,
        key: Buffer.from(key, 'base64'),
        createdAt: 0,
      });
      const keyring = new Keyring([forger('hashing'), forger('encryption')]);
      const forged = 'F'.repeat(32);
      const sha256 = createHash('sha256').update(forged).digest('hex');
      for (const one of [old, server]) {
        await one.app.get<Database>(DATABASE).unit(({ db }) =>
          db
            .insertInto('api_keys')
            .values({
              ...apiKeyHashes(keyring, sha256, 'test'),
              id: 'forged',
              name: null,
              realm: 'test',
              created_at: 0,
              last_used_at: null,
              expires_at: null,
            })
            .execute(),
        );
        const { status } = await call(one, 'GET', 'users/', undefined, {
          headers: { authorization: forged },
        });
        expect(status).toBe(401);
      }
    });

    it('leaves recovery codes out whose key is not the one that its id is made of', async () => {
      const { unique_id } = await createUser(old);
      await call(old, 'POST', `users/${unique_id}/recovery_codes/`);
      const [header, ...rest] = (await exportOf(old)).split('\n');
      const other = JSON.parse(header!);
      other.recovery_keys[0].key = randomBytes(32).toString('base64');
      const server = await start();
      const text = [JSON.stringify(other), ...rest].join('\n');
      expect(await importInto(server, text)).toMatchObject({
        created: 1,
        recoveryCodesLeftOut: 10,
      });
    });

    it('exports the keys of recovery codes of the realm alone, and stores those alone that users need', async () => {
      const { unique_id } = await createUser(old);
      await call(old, 'POST', `users/${unique_id}/recovery_codes/`);
      await importInto(old, jsonLines([{ unique_id: 'joe' }]), {
        realm: 'other',
      });
      const keysOf = (text: string) =>
        JSON.parse(text.split('\n', 1)[0]!).recovery_keys;
      expect(keysOf(await exportOf(old, 'other'))).toEqual([]);
      const text = await exportOf(old);
      expect(keysOf(text)).toHaveLength(1);
      const server = await start();
      const stored = async () =>
        await server.app
          .get<Database>(DATABASE)
          .read.selectFrom('data_keys')
          .select('id')
          .where('purpose', '=', 'recovery')
          .execute();
      await importInto(server, text, { realm: 'elsewhere' });
      expect(await stored()).toEqual([]);
      await importInto(server, text, { realm: undefined });
      expect(await stored()).toEqual([{ id: keysOf(text)[0].id }]);
    });

    it('imports users into another realm of the same database, without their recovery codes', async () => {
      const { unique_id, key } = await createUser(old);
      await call(old, 'POST', `users/${unique_id}/recovery_codes/`);
      const text = await exportOf(old, 'test');
      const copy = await importInto(old, text, { realm: 'copy' });
      expect(copy).toMatchObject({ created: 1, recoveryCodesLeftOut: 10 });
      const [copied] = usersOf(await exportOf(old, 'copy'));
      const [original] = usersOf(text);
      expect(copied).toMatchObject({ realm: 'copy', unique_id });
      expect(copied.factors[0].secret).toBe(key);
      expect(copied.id).not.toBe(original.id);
      expect(await exportOf(old, 'test')).toBe(text);
    });

    it('exports the users of one moment, while others are created and changed', async () => {
      await importInto(
        old,
        jsonLines(
          Array.from({ length: 1200 }, (_, i) => ({
            unique_id: `m-${String(i).padStart(4, '0')}`,
          })),
        ),
      );
      const before = await exportOf(old);
      let piece = 0;
      const during = await exportOf(old, undefined, async () => {
        piece += 1;
        await call(old, 'POST', 'users/', {
          unique_id: `z-${piece}`,
          display_name: 'z',
        });
        await call(old, 'PUT', 'users/m-1199/', { display_name: `${piece}` });
        await call(old, 'DELETE', 'users/m-1150/');
      });
      expect(piece).toBeGreaterThan(3);
      expect(during === before).toBe(true);
      expect((await exportOf(old)) === before).toBe(false);
    });

    it('lets a server on the same database create users while it runs', async () => {
      async function* file() {
        for (let i = 0; i < 1000; i++) {
          // The server is first with some of them.
          if (i % 100 === 0)
            await call(old, 'POST', 'users/', {
              unique_id: `user-${i + 30}`,
              display_name: 'theirs',
            });
          yield Buffer.from(jsonLines([{ unique_id: `user-${i}` }]));
        }
      }
      const report = await importInto(old, file());
      expect(report).toMatchObject({ created: 990, skipped: 10, refused: 0 });
      expect(await get(old, 'user-130')).toMatchObject({
        display_name: 'theirs',
      });
    });
  });
}
