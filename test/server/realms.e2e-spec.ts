/** Realms: each with its own users, keys and settings. */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { RealmsService } from '../../lib/server/realms/realms.service.js';
import { StoredKeys } from '../../lib/server/realms/stored-keys.js';
import { DataKeys } from '../../lib/server/store/data-keys.js';
import {
  DATABASE,
  type Database,
  type Unit,
} from '../../lib/server/store/database.js';
import { call, createUser, enterOnEzPage } from '../helpers/api.js';
import {
  createPostgres,
  describeWith,
  encryptionKeys,
} from '../helpers/postgres.js';

const folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
afterAll(() => rmSync(folder, { recursive: true }));
const postgres = await createPostgres();

suite(describe, 'SQLite', `sqlite:${join(folder, 'gauthify.sqlite')}`);
suite(describeWith(postgres), 'PostgreSQL', postgres.url!);

function suite(
  describeThis: typeof describe | typeof describe.skip,
  name: string,
  database: string,
): void {
  describeThis(`realms on ${name}`, () => {
    const OTHER = randomBytes(16).toString('hex');
    let server: GAuthifyTestServer;
    let realms: RealmsService;
    let keys: StoredKeys;
    beforeAll(async () => {
      server = await GAuthifyTestServer.start({
        database,
        encryptionKeys: encryptionKeys(),
        apiKeys: [{ realm: 'other', key: OTHER }],
        returnUrls: { test: 'https://server.example.com/back' },
      });
      realms = server.app.get(RealmsService);
      keys = server.app.get(StoredKeys);
    });
    afterAll(() => server.close());
    afterEach(() => {
      jest.restoreAllMocks();
    });

    const unit = <Result>(work: (unit: Unit) => Promise<Result>) =>
      server.app.get<Database>(DATABASE).unit(work);
    const set = (realm: string, changes: object) =>
      unit((one) => realms.set(one, realm, changes));
    /** Lets the time pass in which settings and keys are used without looking again. */
    const passFiveSeconds = () => {
      const now = performance.now.bind(performance);
      jest.spyOn(performance, 'now').mockImplementation(() => now() + 5_001);
    };
    const withKey = (
      authorization: string,
      method: string,
      path: string,
      params?: Record<string, string>,
    ) => call(server, method, path, params, { headers: { authorization } });
    const statusWith = async (key: string) =>
      (await withKey(key, 'GET', 'users/')).status;

    it('are told apart by the key: GET realm/ answers name and meta', async () => {
      const realm = async () => (await call(server, 'GET', 'realm/')).body.data;
      expect(await realm()).toEqual({ name: 'test', meta: null });
      await set('test', { meta: { plan: 'gold' } });
      expect(await realm()).toEqual({ name: 'test', meta: { plan: 'gold' } });
      expect((await withKey(OTHER, 'GET', 'realm/')).body.data).toEqual({
        name: 'other',
        meta: null,
      });
      await set('test', { meta: null });
      expect((await realm()).meta).toBeNull();
    });

    it('have settings of their own, and otherwise those of the server', async () => {
      await set('test', {
        issuer: 'Shop',
        frameAncestors: ['https://a.example'],
      });
      passFiveSeconds();
      const user = await createUser(server);
      expect(user.otpauth_uri).toContain('issuer=Shop');
      const page = await fetch(user.ez_url);
      expect(page.headers.get('content-security-policy')).toContain(
        'frame-ancestors https://a.example',
      );
      expect(await page.text()).toContain('Shop');
      const params = { unique_id: 'joe', display_name: 'Joe' };
      const { body } = await withKey(OTHER, 'POST', 'users/', params);
      expect(body.data.otpauth_uri).toContain('issuer=GAuthify');
      const back = await enterOnEzPage(user, server.totp(user.key));
      expect(back.headers.get('location')).toMatch(
        /^https:\/\/server\.example\.com\/back\?token=gat/,
      );
      await set('test', { returnUrl: 'https://own.example.com/' });
      await set('test', { issuer: null });
      jest.restoreAllMocks();
      const later = performance.now() + 20_000;
      jest.spyOn(performance, 'now').mockReturnValue(later);
      server.advance(30);
      const own = await enterOnEzPage(user, server.totp(user.key));
      expect(own.headers.get('location')).toMatch(
        /^https:\/\/own\.example\.com/,
      );
      expect((await createUser(server)).otpauth_uri).toContain(
        'issuer=GAuthify',
      );
    });

    it.each([
      [{ issuer: 'a:b' }, /^Setting issuer must be 1 to 64 characters/],
      [{ returnUrl: 'ftp://x' }, /^Setting returnUrl must be an http/],
      [
        { returnUrl: 'https://a;sandbox/' },
        /^Setting returnUrl must have a host/,
      ],
      [{ frameAncestors: 'x' }, /^Setting frameAncestors must be a list/],
      [{ frameAncestors: ['https://a,default-src'] }, /must have a host name/],
      [{ countries: ['Germany'] }, /^Setting countries must be two capital/],
      [{ meta: [1] }, /^Setting meta must be an object/],
      [{ texts: { de: { smsText: 'Hallo' } } }, /must contain \{code\}/],
      [{ texts: { de: { smsText: '{code} {x}' } } }, /placeholder \{x\}/],
      [{ texts: { german: {} } }, /must be a language/],
      [{ isuer: 'x' }, /there is no such option/],
    ])('refuse %j', async (changes, message) => {
      await expect(set('test', changes)).rejects.toThrow(message);
    });

    it('never reach each other, by any call', async () => {
      const user = await createUser(server);
      const path = `users/${user.unique_id}/`;
      const factor = await call(server, 'POST', `${path}factors/`, {
        kind: 'totp',
      });
      const before = (await call(server, 'GET', path)).body.data;
      const { paths } = (await (
        await fetch(new URL('/openapi.json', server.accessPoint))
      ).json()) as { paths: Record<string, Record<string, unknown>> };
      const params = {
        unique_id: user.unique_id,
        auth_code: server.totp(user.key),
        display_name: 'stolen',
        email: 'x@example.com',
        kind: 'totp',
        name: 'stolen',
        token: `gat${'A'.repeat(32)}`,
      };
      const tried: string[] = [];
      for (const [template, methods] of Object.entries(paths))
        for (const method of Object.keys(methods)) {
          const isOfUser =
            template.includes('{unique_id}') ||
            /\/(check|email|sms|voice)\/?$/.test(template);
          if (!isOfUser) continue;
          const url = template
            .replace(/^\/v1\//, '')
            .replace('{unique_id}', user.unique_id)
            .replace('{factor}', factor.body.data.id);
          const verb = method.toUpperCase();
          const sent = verb === 'GET' ? undefined : params;
          const { status, body } = await withKey(OTHER, verb, url, sent);
          tried.push(`${verb} ${template}`);
          expect([verb, url, status, body.error_code]).toEqual([
            verb,
            url,
            404,
            'user_not_found',
          ]);
        }
      expect(tried.length).toBeGreaterThanOrEqual(12);
      expect((await call(server, 'GET', path)).body.data).toEqual(before);
    });

    it('have keys that are named, and say when they were used', async () => {
      const made = await unit((one) => keys.create(one, 'third', 'web'));
      expect(made.key).toMatch(/^[A-Z2-7]{32}$/);
      expect(await statusWith(made.key)).toBe(200);
      const { read } = server.app.get<Database>(DATABASE);
      const listed = async () => (await keys.list(read, 'third'))[0]!;
      while ((await listed()).last_used_at === null);
      expect(await listed()).toEqual({
        id: made.id,
        realm: 'third',
        name: 'web',
        created_at: expect.any(Number),
        last_used_at: expect.any(Number),
        expires_at: null,
      });
      expect(JSON.stringify(await listed())).not.toContain(made.key);
    });

    it('have keys that are revoked within five seconds', async () => {
      const made = await unit((one) => keys.create(one, 'third', null));
      expect(await statusWith(made.key)).toBe(200);
      expect(await unit((one) => keys.revoke(one, 'other', made.id))).toBe(
        false,
      );
      expect(await unit((one) => keys.revoke(one, 'third', made.id))).toBe(
        true,
      );
      passFiveSeconds();
      expect(await statusWith(made.key)).toBe(401);
    });

    it('have keys that are rotated: the old one works on for a while', async () => {
      const old = await unit((one) => keys.create(one, 'third', 'app'));
      const made = await unit((one) =>
        keys.rotate(one, 'third', old.id, 3_600_000),
      );
      expect(await statusWith(old.key)).toBe(200);
      expect(await statusWith(made!.key)).toBe(200);
      server.advance(3_601);
      passFiveSeconds();
      expect(await statusWith(old.key)).toBe(401);
      expect(await statusWith(made!.key)).toBe(200);
    });

    it('take the keys of their imported recovery codes along, and no other data key', async () => {
      const dataKeys = server.app.get(DataKeys);
      const imported = (realm: string) => ({
        id: realm,
        key: randomBytes(32),
        realm,
      });
      const remove = (realm: string) =>
        realms.delete(
          realm,
          () => undefined,
          () => Promise.resolve(),
          () => Promise.resolve(),
        );
      await dataKeys.addRecoveryKeys([imported('left')]);
      const known = await dataKeys.load();
      expect(await dataKeys.haveChanged(known)).toBe(false);
      await remove('left');
      await dataKeys.addRecoveryKeys([imported('next')]);
      // As many as before, and others.
      expect(await dataKeys.haveChanged(known)).toBe(true);
      await remove('next');
      await remove('');
      expect(await dataKeys.load()).toEqual(
        known.filter(({ purpose }) => purpose !== 'recovery'),
      );
    });

    it('are deleted with their users and keys, and leave the others', async () => {
      const made = await unit((one) => keys.create(one, 'gone', null));
      for (const unique_id of ['a', 'b'])
        await withKey(made.key, 'POST', 'users/', {
          unique_id,
          display_name: unique_id,
        });
      const others = (await call(server, 'GET', 'users/')).body.data.length;
      const steps: (number | string)[] = [];
      await realms.delete(
        'gone',
        (deleted) => steps.push(deleted),
        async () => void steps.push('begins'),
        async (ms) => {
          steps.push(ms);
          // An instance that has just used the key.
          const { status } = await withKey(made.key, 'POST', 'users/', {
            unique_id: 'late',
            display_name: 'late',
          });
          expect(status).toBe(201);
        },
      );
      expect(steps).toEqual(['begins', 10_000, 3]);
      passFiveSeconds();
      expect(await statusWith(made.key)).toBe(401);
      expect((await call(server, 'GET', 'users/')).body.data).toHaveLength(
        others,
      );
    });
  });
}
