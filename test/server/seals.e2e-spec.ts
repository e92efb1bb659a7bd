/** What somebody who can write to the database, or has another key, cannot do. */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import BetterSqlite3 from 'better-sqlite3';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { CheckService } from '../../lib/server/factors/check.service.js';
import { Tokens } from '../../lib/server/factors/tokens.js';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { UsersService } from '../../lib/server/users/users.service.js';
import { call, check, createUser, ORIGIN } from '../helpers/api.js';

let folder: string;
let database: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
  database = `sqlite:${join(folder, 'gauthify.sqlite')}`;
});
afterEach(() => rmSync(folder, { recursive: true }));

const key = (id: string) => ({ id, key: randomBytes(32).toString('base64') });
const start = (...encryptionKeys: ReturnType<typeof key>[]) =>
  GAuthifyTestServer.start({ database, encryptionKeys });
/** Changes the file as another program would. */
function alter(sql: string): void {
  const sqlite = new BetterSqlite3(join(folder, 'gauthify.sqlite'));
  sqlite.exec(sql);
  sqlite.close();
}

describe('encryption keys', () => {
  it('are the same for all instances, also while there are no users', async () => {
    const [ours, another] = [key('k1'), key('k1')];
    await (await start(ours)).close();
    await expect(start(another)).rejects.toThrow(/encrypted with other keys/);
    const server = await start(ours);
    const user = await createUser(server);
    expect(
      await check(server, user.unique_id, server.totp(user.key)),
    ).toMatchObject({ authenticated: true });
    await server.close();
  });

  it('can be removed once nothing is left that they sealed', async () => {
    const [first, second] = [key('k1'), key('k2')];
    await (await start(first)).close();
    await (await start(second, first)).close();
    const server = await start(second);
    expect((await call(server, 'GET', 'errors/')).status).toBe(200);
    await server.close();
  });
});

describe('somebody who can write to the database', () => {
  it('cannot make old records be taken for those of 0.1.0', async () => {
    const keys = key('k1');
    const server = await start(keys);
    await createUser(server);
    await server.close();
    alter(`
      create table kept as select * from factors;
      delete from factors;
      delete from seals;`);
    await expect(start(keys)).rejects.toThrow(/"seals".* was altered/);
  });

  it.each(['period = 60', 'digits = 8', "algorithm = 'SHA256'"])(
    'cannot change how codes are made: %s',
    async (change) => {
      const server = await start(key('k1'));
      const user = await createUser(server);
      alter(`update factors set ${change} where kind = 'totp'`);
      const { status } = await call(server, 'GET', `users/${user.unique_id}/`);
      expect(status).toBe(500);
      await server.close();
    },
  );

  it('gets no token for somebody else by renaming a user in between', async () => {
    const server = await start(key('k1'));
    const { unique_id, otp } = await createUser(server);
    const owner = { realm: 'test', unique_id };
    const db = server.app.get<Database>(DATABASE);
    const user = await server.app
      .get(UsersService)
      .get(db.read, 'test', unique_id);
    const outcome = await server.app
      .get(CheckService)
      .check({ owner, origin: ORIGIN, code: otp });
    const accepted = 'accepted' in outcome ? outcome.accepted : null;
    expect(accepted).toMatchObject({ method: 'otp' });
    alter("update users set unique_id = 'victim'");
    const token = await db.unit((unit) =>
      server.app.get(Tokens).issue(unit, user, accepted!),
    );
    expect(token).toBeUndefined();
    await server.close();
  });

  it('has no secret sealed for another name', async () => {
    const server = await start(key('k1'));
    const { unique_id } = await createUser(server);
    alter(`
      create trigger renamed before update on users when new.unique_id = '${unique_id}' begin
        update users set unique_id = 'victim' where id = new.id;
      end`);
    await call(server, 'PUT', `users/${unique_id}/`, { reset_key: 'true' });
    alter('drop trigger renamed');
    // Sealed for the name that was asked for: under the other one it does not open.
    expect((await call(server, 'GET', 'users/victim/')).status).toBe(500);
    await server.close();
  });
});
