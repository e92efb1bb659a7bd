/** PostgreSQL goes away, comes back, hangs, and fails over; and a newer instance migrates it. */
import 'reflect-metadata';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { call, check, createUser } from '../helpers/api.js';
import {
  createPostgres,
  describeWith,
  encryptionKeys,
  withClient,
} from '../helpers/postgres.js';

const postgres = await createPostgres();
const url = postgres.url!;

/** Passes bytes on to PostgreSQL, as long as the test wants it. */
class Link {
  private readonly sockets = new Set<Socket>();
  private state: 'up' | 'down' | 'silent' = 'up';
  private readonly server = createServer((socket) => {
    if (this.state === 'down') return socket.destroy();
    const { port, hostname } = new URL(url);
    const target = connect(Number(port), hostname);
    for (const [from, to] of [
      [socket, target],
      [target, socket],
    ] as const) {
      this.sockets.add(from);
      from.on('data', (data) => {
        if (this.state !== 'silent') to.write(data);
      });
      from.on('close', () => to.destroy());
      from.on('error', () => undefined);
    }
    return undefined;
  });

  async open(): Promise<string> {
    const through = new URL(url);
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    through.port = String((this.server.address() as AddressInfo).port);
    return through.href;
  }

  /** Existing connections break, and new ones are refused. */
  goDown(): void {
    this.state = 'down';
    this.cut();
  }

  /** Nothing arrives any more, and nobody says so. */
  goSilent(): void {
    this.state = 'silent';
  }

  comeBack(): void {
    this.state = 'up';
    // What was lost in the silence is missing from these.
    this.cut();
  }

  async close(): Promise<void> {
    this.cut();
    this.server.close();
    await once(this.server, 'close');
  }

  private cut(): void {
    for (const socket of this.sockets) socket.destroy();
    this.sockets.clear();
  }
}

describeWith(postgres)('an instance on PostgreSQL', () => {
  const link = new Link();
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({
      database: await link.open(),
      encryptionKeys: encryptionKeys(),
    });
  });
  afterAll(async () => {
    await server.close();
    await link.close();
  });

  /** Right codes of new users, all at once; the answers. */
  const checkAll = (users: any[]) =>
    Promise.all(
      users.map((user) =>
        call(server, 'POST', 'check/', {
          unique_id: user.unique_id,
          auth_code: server.totp(user.key),
        }),
      ),
    );
  const users = (count: number) =>
    Promise.all(Array.from({ length: count }, () => createUser(server)));
  const works = async () => {
    const user = await createUser(server);
    expect(
      await check(server, user.unique_id, server.totp(user.key)),
    ).toMatchObject({ authenticated: true });
    expect((await call(server, 'GET', 'users/?page=1')).status).toBe(200);
  };
  const FAILED = {
    error_code: '500',
    http_status: 500,
    error_message: 'The database could not be reached: try again',
  };

  it('answers 500 while PostgreSQL is away, in time, and works again once it is back', async () => {
    const all = await users(80);
    link.goDown();
    const from = performance.now();
    const answers = await checkAll(all);
    for (const { body } of answers) expect(body).toMatchObject(FAILED);
    for (const path of ['users/', `users/${all[0].unique_id}/`])
      expect((await call(server, 'GET', path)).body).toMatchObject(FAILED);
    expect(performance.now() - from).toBeLessThan(5_000);
    link.comeBack();
    await works();
    // None of the codes was used.
    for (const { body } of await checkAll(all))
      expect(body.data.authenticated).toBe(true);
  });

  it('answers 500 to requests in flight when its connections are ended, or carries them out', async () => {
    const all = await users(40);
    const checks = checkAll(all);
    await withClient(url, (client) =>
      client.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      ),
    );
    for (const { status, body } of await checks)
      expect(
        status === 500 ? body : { ...FAILED, sent: body.data.authenticated },
      ).toMatchObject(FAILED);
    await works();
  });

  it('answers 500 within the time of a client when PostgreSQL is silent', async () => {
    const all = await users(70);
    link.goSilent();
    const from = performance.now();
    const answers = await Promise.all([
      checkAll(all),
      call(server, 'GET', 'users/').then((answer) => [answer]),
    ]);
    expect(performance.now() - from).toBeLessThan(5_500);
    for (const { body } of answers.flat()) expect(body).toMatchObject(FAILED);
    link.comeBack();
    await works();
  });

  it('leaves a server that became read-only for the one in its place', async () => {
    const database = new URL(url).pathname.slice(1);
    const readOnly = (value: string) =>
      withClient(url, (client) =>
        client.query(
          `alter database ${database} set default_transaction_read_only = ${value}`,
        ),
      );
    await readOnly('on');
    // New connections are those to the standby.
    link.comeBack();
    await Promise.all(
      Array.from({ length: 20 }, () => call(server, 'GET', 'users/?page=1')),
    );
    const user = { unique_id: 'late', display_name: 'late' };
    expect((await call(server, 'POST', 'users/', user)).status).toBe(500);
    await Promise.all(
      Array.from({ length: 20 }, () => call(server, 'GET', 'users/?page=1')),
    );
    // The old connections stay read-only; new ones reach a primary.
    await withClient(url, async (client) => {
      await client.query('set default_transaction_read_only = off');
      await client.query(
        `alter database ${database} set default_transaction_read_only = off`,
      );
    });
    expect((await call(server, 'POST', 'users/', user)).status).toBe(201);
    await works();
  });

  it('goes on serving while a newer instance adds a column', async () => {
    const all = await users(20);
    await checkAll(all);
    await Promise.all(
      Array.from({ length: 20 }, () => call(server, 'GET', 'users/?page=1')),
    );
    await withClient(url, (client) =>
      client.query(
        'alter table users add column newer text; alter table factors add column newer text',
      ),
    );
    const answers = await Promise.all([
      ...all.map(({ unique_id }) => call(server, 'GET', `users/${unique_id}/`)),
      ...all.map(({ unique_id }) =>
        call(server, 'PUT', `users/${unique_id}/`, { display_name: 'x' }),
      ),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200));
    await works();
  });
});
