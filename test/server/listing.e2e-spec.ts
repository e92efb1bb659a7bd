import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { get, type IncomingMessage, type ServerResponse } from 'node:http';
import { setImmediate } from 'node:timers/promises';
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
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { NewFactors } from '../../lib/server/factors/new-factors.js';
import { UserView } from '../../lib/server/users/user-view.js';
import { UsersService } from '../../lib/server/users/users.service.js';
import { adapter, ADAPTERS, call } from '../helpers/api.js';

/** Enough for 20 pages of the database. */
const MANY = 2_000;

/** Inserts users of the same millisecond into the database: through the API this would take minutes. */
async function insertUsers(
  server: GAuthifyTestServer,
  ids: string[],
  meta = '{"a":1}',
): Promise<void> {
  const { read: db }: Database = server.app.get(DATABASE);
  const factors = server.app.get(NewFactors);
  const rowOf = (unique_id: string) => {
    const id = randomUUID();
    return {
      id,
      realm: 'test',
      unique_id,
      display_name: unique_id,
      email: null,
      sms_number: null,
      voice_number: null,
      meta,
      enrolled: 0,
      created_at: 1_700_000_000_000,
      failures: 0,
      next_attempt_at: 0,
      wrong_codes_until: 0,
      epoch: randomUUID(),
    };
  };
  for (let start = 0; start < ids.length; start += 500) {
    const rows = ids.slice(start, start + 500).map(rowOf);
    await db.insertInto('users').values(rows).execute();
    await db
      .insertInto('factors')
      .values(rows.flatMap((row) => factors.first(row)))
      .execute();
  }
}

const idsTo = (count: number) =>
  Array.from({ length: count }, (_, i) => `user-${String(i).padStart(6, '0')}`);

/** The answer to `GET users/`, before any of it is read. */
async function openList(server: GAuthifyTestServer): Promise<IncomingMessage> {
  const request = get(`${server.accessPoint}users/`, {
    headers: { authorization: server.apiKey },
    agent: false,
  });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

describe.each(ADAPTERS)('a list of 2,000 users on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
    await insertUsers(server, idsTo(MANY));
  });
  afterAll(() => server.close());
  afterEach(() => {
    jest.restoreAllMocks();
  });

  it('is complete, and in the envelope', async () => {
    const { status, headers, body } = await call(server, 'GET', 'users/');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(Object.keys(body)).toEqual(['data', 'request_id', 'server_time']);
    expect(body.request_id).toMatch(/^[0-9a-f]{32}$/);
    expect(body.data.map((user: any) => user.unique_id).sort()).toEqual(
      idsTo(MANY),
    );
    const { unique_id } = body.data[7];
    const one = await call(server, 'GET', `users/${unique_id}/`);
    expect(body.data[7]).toEqual(one.body.data);
  });

  it('reads at most a page in a turn of the event loop', async () => {
    const shown = jest.spyOn(server.app.get(UserView), 'show');
    const ended = openList(server)
      .then((response) => once(response.resume(), 'end'))
      .then(() => true);
    let most = 0;
    for (let isOver = false; !isOver;) {
      const before = shown.mock.calls.length;
      isOver = await Promise.race([ended, setImmediate(false)]);
      most = Math.max(most, shown.mock.calls.length - before);
    }
    expect(shown).toHaveBeenCalledTimes(MANY);
    expect(most).toBeLessThanOrEqual(100);
  });

  it('does not delay another request', async () => {
    const response = await openList(server);
    let isOver = false;
    const ended = once(response.resume(), 'end').then(() => (isOver = true));
    expect((await call(server, 'GET', 'errors/')).status).toBe(200);
    expect(isOver).toBe(false);
    await ended;
  });

  it('is cut off if the server fails halfway, so that it cannot look complete', async () => {
    const view = server.app.get(UserView);
    const show = view.show.bind(view);
    let count = 0;
    jest.spyOn(view, 'show').mockImplementation((user, settings) => {
      if (++count === MANY / 2) throw new Error('no more');
      return show(user, settings);
    });
    const response = await openList(server);
    const failed = once(response.resume(), 'error');
    await expect(failed).resolves.toEqual([
      expect.objectContaining({ code: 'ECONNRESET' }),
    ]);
    expect(response.complete).toBe(false);
  });

  it('is a 500 if the server fails at the first user', async () => {
    jest
      .spyOn(server.app.get(UsersService), 'list')
      .mockImplementation(async function* () {
        throw new Error('no database');
      });
    const { status, body } = await call(server, 'GET', 'users/');
    expect([status, body.error_code]).toEqual([500, '500']);
  });

  it('is not read for HEAD', async () => {
    const shown = jest.spyOn(server.app.get(UserView), 'show');
    expect((await call(server, 'HEAD', 'users/')).status).toBe(200);
    expect(shown).not.toHaveBeenCalled();
  });

  it('has the same order as a whole, by page, and after an id', async () => {
    const list = async (query: string): Promise<string[]> =>
      (await call(server, 'GET', `users/${query}`)).body.data.map(
        (user: any) => user.unique_id,
      );
    const all = await list('');
    expect(await list('?page=3&page_size=130')).toEqual(all.slice(260, 390));
    expect(await list('?page=2')).toEqual(all.slice(100, 200));
    expect(await list('?page_size=1')).toEqual(all.slice(0, 1));
    expect(await list(`?page=${MANY / 1000}&page_size=1000`)).toEqual(
      all.slice(-1000),
    );
    const ids = idsTo(MANY);
    expect(await list('?after=')).toEqual(ids.slice(0, 100));
    expect(await list(`?after=${ids[41]}&page_size=130`)).toEqual(
      ids.slice(42, 172),
    );
    expect(await list(`?after=${ids.at(-2)}`)).toEqual(ids.slice(-1));
  });
});

it.each(ADAPTERS)(
  'reads a list no faster than the client does, and stops when the client disconnects, on %s',
  async (name) => {
    const server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
    });
    // More than the kernel buffers for a connection.
    const ids = idsTo(4000);
    await insertUsers(server, ids, JSON.stringify({ a: 'x'.repeat(8000) }));
    const shown = jest.spyOn(server.app.get(UserView), 'show');
    let answer: ServerResponse | undefined;
    server.app
      .getHttpServer()
      .once('request', (_: unknown, it: ServerResponse) => (answer = it));
    const response = await openList(server);
    // Until the buffers in between are full, and stay so.
    for (let full = 0; full < 100;) {
      await setImmediate();
      full = answer!.writableNeedDrain ? full + 1 : 0;
      if (answer!.writableFinished) break;
    }
    const taken = shown.mock.calls.length;
    expect(taken).toBeLessThan(ids.length);
    response.destroy();
    if (!answer!.closed) await once(answer!, 'close');
    for (let turns = 0; turns < 100; turns++) await setImmediate();
    // At most the page that was being read.
    expect(shown.mock.calls.length).toBeLessThanOrEqual(taken + 100);
    await server.close();
  },
);

it.each([[{}], [{ after: '', pageSize: 1000 }]])(
  'neither misses nor repeats a user while others are created and deleted: %j',
  async (query) => {
    const server = await GAuthifyTestServer.start();
    const ids = idsTo(400);
    await insertUsers(server, ids);
    const users = server.app.get(UsersService);
    const seen: string[] = [];
    const deleted: string[] = [];
    const database: Database = server.app.get(DATABASE);
    for await (const page of users.list(
      (work) => database.snapshot(work),
      'test',
      query,
    )) {
      seen.push(...page.map(({ unique_id }) => unique_id));
      // Delete a listed and an unlisted user, and add one.
      const next = ids.find(
        (id) => !seen.includes(id) && !deleted.includes(id),
      );
      for (const id of [page[0]!.unique_id, next])
        if (id !== undefined && ids.includes(id)) {
          await database.unit((unit) => users.delete(unit, 'test', id));
          deleted.push(id);
        }
      await insertUsers(server, [`new-${deleted.length}`]);
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(
      expect.arrayContaining(ids.filter((id) => !deleted.includes(id))),
    );
    await server.close();
  },
);
