/** Data keys: encrypted by keys that can be replaced, and renewed while instances serve. */
import 'reflect-metadata';
import {
  createCipheriv,
  createDecipheriv,
  randomBytes,
  randomUUID,
} from 'node:crypto';
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
import type { KeyProvider, WrappedKey } from 'nestjs-gauthify/server';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { KeyRotation } from '../../lib/server/store/key-rotation.js';
import { call, check, createUser } from '../helpers/api.js';
import { createPostgres, describeWith } from '../helpers/postgres.js';
import { exportOf, importInto } from '../helpers/transfer.js';

const folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

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

/** What a KMS does, in memory. */
class TestKms implements KeyProvider {
  private readonly keys = new Map<string, Buffer>();
  currentKeyId = this.addKey();

  addKey(): string {
    const id = randomUUID();
    this.keys.set(id, randomBytes(32));
    return (this.currentKeyId = id);
  }

  remove(id: string): void {
    this.keys.delete(id);
  }

  async wrap(dataKey: Buffer, context: string): Promise<WrappedKey> {
    const nonce = randomBytes(12);
    const key = this.keys.get(this.currentKeyId)!;
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.setAAD(Buffer.from(context));
    const parts = [nonce, cipher.update(dataKey), cipher.final()];
    const bytes = Buffer.concat([...parts, cipher.getAuthTag()]);
    return { keyId: this.currentKeyId, bytes };
  }

  async unwrap({ keyId, bytes }: WrappedKey, context: string): Promise<Buffer> {
    const key = this.keys.get(keyId);
    if (!key) throw new Error('No such key');
    const nonce = bytes.subarray(0, 12);
    const decipher = createDecipheriv('aes-256-gcm', key, nonce);
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([
      decipher.update(bytes.subarray(12, -16)),
      decipher.final(),
    ]);
  }
}

function suite(
  describeThis: typeof describe | typeof describe.skip,
  name: string,
  newDatabase: () => Promise<string>,
): void {
  describeThis(`keys at rest on ${name}`, () => {
    const key = (id: string) => ({
      id,
      key: randomBytes(32).toString('base64'),
    });
    const running: GAuthifyTestServer[] = [];
    let database: string;
    const start = async (
      options: Parameters<typeof GAuthifyTestServer.start>[0],
    ) => {
      const server = await GAuthifyTestServer.start({ database, ...options });
      running.push(server);
      return server;
    };
    const stop = (server: GAuthifyTestServer) => {
      running.splice(running.indexOf(server), 1);
      return server.close();
    };
    beforeEach(async () => {
      database = await newDatabase();
    });
    afterEach(async () => {
      for (const server of running.splice(0)) await server.close();
    });

    const databaseOf = ({ app }: GAuthifyTestServer) =>
      app.get<Database>(DATABASE);
    const rotation = ({ app }: GAuthifyTestServer) => app.get(KeyRotation);
    /** Rotates; the clocks go on while it waits. */
    const rotate = (
      server: GAuthifyTestServer,
      ...others: GAuthifyTestServer[]
    ) =>
      rotation(server).rotate(
        () => undefined,
        async () => {
          for (const one of [server, ...others]) one.advance(10);
          for (const one of others) await rotation(one).look();
        },
      );
    const keyIdsOf = async (server: GAuthifyTestServer) => {
      const factors = await databaseOf(server)
        .read.selectFrom('factors')
        .select('secret')
        .where('kind', '!=', 'recovery')
        .execute();
      return new Set(factors.map(({ secret }) => /^2:(.+)\./.exec(secret)![1]));
    };
    const isRight = async (
      server: GAuthifyTestServer,
      user: any,
      code: string,
    ) => (await check(server, user.unique_id, code)).authenticated;
    const renewCodes = async (server: GAuthifyTestServer, user: any) =>
      (await call(server, 'POST', `users/${user.unique_id}/recovery_codes/`))
        .body.data.recovery_codes as string[];

    it('encrypts every secret with a new data key, and nothing is lost', async () => {
      const server = await start({ encryptionKeys: [key('k1')] });
      const users = [];
      for (let i = 0; i < 120; i++) users.push(await createUser(server));
      const [jane] = users;
      const [recovery] = await renewCodes(server, jane);
      const headers = { 'idempotency-key': randomUUID() };
      const update = () =>
        call(
          server,
          'PUT',
          `users/${jane.unique_id}/`,
          { meta: '{}' },
          { headers },
        );
      const kept = (await update()).body.data;
      const before = await keyIdsOf(server);
      expect(before.size).toBe(1);
      const steps: unknown[] = [];
      const { dataKeyId, wrappingKeyId } = await rotation(server).rotate(
        (progress) => steps.push(progress),
        async () => server.advance(10),
      );
      expect(wrappingKeyId).toBe('k1');
      expect(before).not.toContain(dataKeyId);
      expect(await keyIdsOf(server)).toEqual(new Set([dataKeyId]));
      expect(steps).toEqual(
        [50, 100, 120].map((done) => ({ done, total: 120 })),
      );
      expect((await update()).body.data).toEqual(kept);
      const { body } = await call(server, 'GET', `users/${jane.unique_id}/`);
      expect(body.data.key).toBe(jane.key);
      expect(await isRight(server, jane, server.totp(jane.key))).toBe(true);
      expect(await isRight(server, jane, jane.otp)).toBe(true);
      expect(await isRight(server, jane, recovery!)).toBe(true);
    });

    it('goes on with the same data key after an interruption', async () => {
      const server = await start({ encryptionKeys: [key('k1')] });
      for (let i = 0; i < 60; i++) await createUser(server);
      const interrupted = rotation(server).rotate(
        () => {
          throw new Error('interrupted');
        },
        async () => server.advance(10),
      );
      await expect(interrupted).rejects.toThrow('interrupted');
      const half = await keyIdsOf(server);
      expect(half.size).toBe(2);
      expect(await rotation(server).isComplete()).toBe(false);
      const { dataKeyId } = await rotate(server);
      expect(half).toContain(dataKeyId);
      expect(await keyIdsOf(server)).toEqual(new Set([dataKeyId]));
      expect(await rotation(server).isComplete()).toBe(true);
    });

    it('refuses no right code while it goes on', async () => {
      const server = await start({ encryptionKeys: [key('k1')] });
      const users: any[] = await Promise.all(
        Array.from({ length: 150 }, () => createUser(server)),
      );
      const checks: Promise<boolean>[] = [];
      const { dataKeyId } = await rotation(server).rotate(
        // Between two steps, while the next one begins.
        ({ done }) => {
          for (const user of users.splice(0, 50))
            checks.push(isRight(server, user, server.totp(user.key)));
          expect(done).toBeLessThanOrEqual(150);
        },
        async () => server.advance(10),
      );
      expect(await Promise.all(checks)).toEqual(Array(150).fill(true));
      expect(await keyIdsOf(server)).toEqual(new Set([dataKeyId]));
    });

    it('lets an encryption key go once the next one has encrypted the data keys', async () => {
      const [first, second] = [key('k1'), key('k2')];
      let server = await start({ encryptionKeys: [first] });
      const jane = await createUser(server);
      const [recovery] = await renewCodes(server, jane);
      await stop(server);
      await stop(await start({ encryptionKeys: [second, first] }));
      server = await start({ encryptionKeys: [second] });
      expect(await isRight(server, jane, server.totp(jane.key))).toBe(true);
      expect(await isRight(server, jane, recovery!)).toBe(true);
      await stop(server);
      await expect(start({ encryptionKeys: [first] })).rejects.toThrow(
        /Option encryptionKeys: .* restore the key "k2"/,
      );
    });

    it('takes keys of imported recovery codes along', async () => {
      const [first, second] = [key('k1'), key('k2')];
      const old = await GAuthifyTestServer.start();
      running.push(old);
      const jane = await createUser(old);
      const [recovery, other] = await renewCodes(old, jane);
      let server = await start({ encryptionKeys: [first] });
      await importInto(server, await exportOf(old));
      await stop(server);
      server = await start({ encryptionKeys: [second, first] });
      await rotate(server);
      await stop(server);
      server = await start({ encryptionKeys: [second] });
      expect(await isRight(server, jane, recovery!)).toBe(true);
      expect(await isRight(server, jane, recovery!)).toBe(false);
      expect(await isRight(server, jane, other!)).toBe(true);
      // The codes that the old server made since are not known here.
      const [unknown] = await renewCodes(old, jane);
      expect(await isRight(server, jane, unknown!)).toBe(false);
    });

    it('asks a key provider, at start alone, and lets its old key go', async () => {
      const kms = new TestKms();
      let server = await start({ keyProvider: kms, encryptionKeys: [] });
      const jane = await createUser(server);
      await stop(server);
      const old = kms.currentKeyId;
      kms.addKey();
      await stop(await start({ keyProvider: kms, encryptionKeys: [] }));
      kms.remove(old);
      server = await start({ keyProvider: kms, encryptionKeys: [] });
      kms.remove(kms.currentKeyId);
      expect(await isRight(server, jane, server.totp(jane.key))).toBe(true);
      await stop(server);
      await expect(
        start({ keyProvider: kms, encryptionKeys: [] }),
      ).rejects.toThrow(/^Option keyProvider: .* could not be decrypted/);
    });

    it('moves from encryption keys to a key provider', async () => {
      const [first, kms] = [key('k1'), new TestKms()];
      let server = await start({ encryptionKeys: [first] });
      const jane = await createUser(server);
      await stop(server);
      await expect(
        start({ keyProvider: kms, encryptionKeys: [] }),
      ).rejects.toThrow(/Option keyProvider/);
      await stop(await start({ keyProvider: kms, encryptionKeys: [first] }));
      server = await start({ keyProvider: kms, encryptionKeys: [] });
      expect(await isRight(server, jane, server.totp(jane.key))).toBe(true);
    });

    it('does not take one data key for another', async () => {
      const keys = [key('k1')];
      const server = await start({ encryptionKeys: keys });
      await createUser(server);
      await rotate(server);
      const db = databaseOf(server);
      const [one, other] = await db.read
        .selectFrom('data_keys')
        .selectAll()
        .where('purpose', '=', 'encryption')
        .execute();
      await db.unit(({ db }) =>
        db
          .updateTable('data_keys')
          .set({ wrapped: other!.wrapped })
          .where('id', '=', one!.id)
          .execute(),
      );
      await stop(server);
      await expect(start({ encryptionKeys: keys })).rejects.toThrow(
        /encrypted with other keys/,
      );
    });

    if (name === 'PostgreSQL')
      it('waits until every instance knows the new data key', async () => {
        const encryptionKeys = [key('k1')];
        const [one, two] = [
          await start({ encryptionKeys }),
          await start({ encryptionKeys }),
        ];
        const jane = await createUser(one);
        const { dataKeyId } = await rotate(one, two);
        expect(await keyIdsOf(two)).toEqual(new Set([dataKeyId]));
        expect(await isRight(two, jane, two.totp(jane.key))).toBe(true);
        const joe = await createUser(two);
        expect(await keyIdsOf(one)).toEqual(new Set([dataKeyId]));
        expect(await isRight(one, joe, joe.otp)).toBe(true);
      });
  });
}
