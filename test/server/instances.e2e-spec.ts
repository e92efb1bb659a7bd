/** Two instances on one PostgreSQL decide as one. */
import 'reflect-metadata';
import { createHash, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type pg from 'pg';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { call, createUser, wrongCode } from '../helpers/api.js';
import {
  createPostgres,
  describeWith,
  encryptionKeys,
  withClient,
} from '../helpers/postgres.js';

const postgres = await createPostgres();
const url = postgres.url!;

describeWith(postgres)('two instances on one PostgreSQL', () => {
  let instances: GAuthifyTestServer[] = [];
  beforeAll(async () => {
    const keys = encryptionKeys();
    // At once, on an empty database: both migrate.
    instances = await Promise.all(
      [1, 2].map(() =>
        GAuthifyTestServer.start({
          database: url,
          encryptionKeys: keys,
          security: { sentCodeTries: 1000 },
        }),
      ),
    );
  });
  afterAll(() => Promise.all(instances.map((server) => server.close())));

  const post = (
    instance: number,
    path: string,
    params: Record<string, string>,
    key?: string,
  ) =>
    call(instances[instance % 2]!, 'POST', path, params, {
      headers: key === undefined ? {} : { 'idempotency-key': key },
    });
  const check = (instance: number, unique_id: string, auth_code: string) =>
    post(instance, 'check/', { unique_id, auth_code });
  const times = <T>(count: number, act: (index: number) => Promise<T>) =>
    Promise.all(Array.from({ length: count }, (_, index) => act(index)));
  /** Whether another connection waits for a lock of this one. */
  const isBlocking = async (client: pg.Client) => {
    const { rowCount } = await client.query(
      'select from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))',
    );
    return rowCount !== 0;
  };
  const contacts = {
    email: 'jane@example.com',
    sms_number: '9162627232',
    voice_number: '9162627233',
  };

  const codes: Record<string, (user: any) => string | Promise<string>> = {
    totp: ({ key }) => instances[0]!.totp(key),
    otp: ({ otp }) => otp,
    recovery: async ({ unique_id }) => {
      const path = `users/${unique_id}/recovery_codes/`;
      return (await post(0, path, {})).body.data.recovery_codes[0];
    },
    ...Object.fromEntries(
      ['email', 'sms', 'voice'].map((channel) => [
        channel,
        async ({ unique_id }: any) => {
          await post(0, `${channel}/`, { unique_id });
          return instances[0]!.lastCode();
        },
      ]),
    ),
  };

  it.each(Object.keys(codes))(
    'let one of 50 simultaneous requests in with one code: %s',
    async (method) => {
      const user = await createUser(instances[0]!, contacts);
      const code = await codes[method]!(user);
      const answers = await times(50, (i) => check(i, user.unique_id, code));
      const accepted = answers.filter(
        ({ body }) => body.data?.authenticated === true,
      );
      expect(accepted.map(({ body }) => body.data.method)).toEqual([method]);
      // The wrong ones count: after five, the others are refused.
      const refused = answers.filter(({ status }) => status === 402);
      const wrong = answers.filter(
        ({ body }) => body.data?.authenticated === false,
      );
      expect(1 + refused.length + wrong.length).toBe(50);
      for (const server of instances) server.advance(24 * 3600);
    },
  );

  it('look at six of 400 simultaneous guesses at most', async () => {
    const user = await createUser(instances[0]!);
    const code = wrongCode(instances[0]!, user.key);
    const answers = await times(400, (i) => check(i, user.unique_id, code));
    const looked = answers.filter(({ status }) => status === 200);
    // Five, and one more if the first wait of 5 s ends meanwhile.
    expect(looked.length).toBeLessThanOrEqual(6);
    for (const { body } of looked) expect(body.data.authenticated).toBe(false);
    expect(answers.filter(({ status }) => status === 402)).toHaveLength(
      400 - looked.length,
    );
  });

  it('check the same hundred users in opposite orders, each once', async () => {
    const users = await times(100, () => createUser(instances[0]!));
    const inOrder = (instance: number, list: any[]) =>
      Promise.all(
        list.map((user) =>
          check(instance, user.unique_id, instances[0]!.totp(user.key)),
        ),
      );
    const answers = await Promise.all([
      inOrder(0, users),
      inOrder(1, users.toReversed()),
    ]);
    const accepted = answers
      .flat()
      .map(({ body }) => body.data)
      .filter(({ authenticated }) => authenticated)
      .map(({ unique_id }) => unique_id);
    expect(accepted.sort()).toEqual(
      users.map(({ unique_id }) => unique_id).sort(),
    );
  });

  it('let nobody pay for a row of another', async () => {
    const users = await times(30, () => createUser(instances[0]!));
    const [bad, ...good] = users;
    await withClient(url, (client) =>
      client.query(
        "update factors set secret = '2.tampered' from users where users.id = user_id and unique_id = $1",
        [bad.unique_id],
      ),
    );
    const codeOf = (user: any) => instances[0]!.totp(user.key);
    const answers = await times(30, (i) =>
      check(0, users[i].unique_id, codeOf(users[i])),
    );
    expect(answers[0]!.body).toMatchObject({
      http_status: 500,
      error_message: 'The server failed',
    });
    expect(answers.slice(1).map(({ body }) => body.data.authenticated)).toEqual(
      Array(29).fill(true),
    );
    expect(good).toHaveLength(29);
  });

  it('do not wait for a row that another program has locked, except for that user', async () => {
    const users = await times(20, () => createUser(instances[0]!));
    await withClient(url, async (client) => {
      await client.query('begin');
      await client.query('select from users where unique_id = $1 for update', [
        users[0].unique_id,
      ]);
      const from = performance.now();
      const answers = await times(20, (i) =>
        check(0, users[i].unique_id, instances[0]!.totp(users[i].key)),
      );
      expect(performance.now() - from).toBeLessThan(5_000);
      expect(answers.map(({ status }) => status)).toEqual([
        500,
        ...Array<number>(19).fill(200),
      ]);
      await client.query('rollback');
    });
  });

  it('answer the checks of others while several checks of one user wait for their row', async () => {
    const [locked, ...others] = await times(20, () =>
      createUser(instances[0]!),
    );
    const codeOf = (user: any) => instances[0]!.totp(user.key);
    await withClient(url, async (client) => {
      await client.query('begin');
      await client.query('select from users where unique_id = $1 for update', [
        locked.unique_id,
      ]);
      let answered = 0;
      const waiting = times(4, async (i) => {
        // Unequal keys: each has a record of its own.
        const { unique_id } = locked;
        const params = { unique_id, auth_code: codeOf(locked) };
        const { status } = await post(0, 'check/', params, randomUUID());
        answered += 1;
        return [i, status];
      });
      while (!(await isBlocking(client)));
      const answers = await times(others.length, (i) =>
        check(0, others[i].unique_id, codeOf(others[i])),
      );
      expect(answers.map(({ body }) => body.data.authenticated)).toEqual(
        Array(19).fill(true),
      );
      expect((await check(0, 'nobody', '000000')).status).toBe(404);
      expect(answered).toBe(0);
      await client.query('rollback');
      expect(await waiting).toEqual([0, 1, 2, 3].map((i) => [i, 200]));
    });
  });

  it('check and read while a hundred changes of one user wait for their row', async () => {
    const [locked, other] = await times(2, () => createUser(instances[0]!));
    await withClient(url, async (client) => {
      await client.query('begin');
      await client.query('select from users where unique_id = $1 for update', [
        locked.unique_id,
      ]);
      let changed = 0;
      const waiting = times(100, async () => {
        const path = `users/${locked.unique_id}/`;
        await call(instances[0]!, 'PUT', path, { display_name: 'Jane' });
        changed += 1;
      });
      while (!(await isBlocking(client)));
      const { unique_id, key } = other;
      const checked = await check(0, unique_id, instances[0]!.totp(key));
      expect(checked.body.data.authenticated).toBe(true);
      const read = await call(instances[0]!, 'GET', `users/${unique_id}/`);
      expect(read.status).toBe(200);
      expect(changed).toBe(0);
      await client.query('rollback');
      await waiting;
    });
  });

  it('carry out requests with one Idempotency-Key once, and give all the same answer', async () => {
    const user = await createUser(instances[0]!, contacts);
    const { unique_id } = user;
    const auth_code = instances[0]!.totp(user.key);
    const sent = () =>
      instances.reduce((sum, { outbox }) => sum + outbox.length, 0);
    const before = sent();
    for (const [path, params, status] of [
      ['check/', { unique_id, auth_code }, 200],
      ['users/', { unique_id: 'once', display_name: 'Once' }, 201],
      ['sms/', { unique_id }, 200],
      [`users/${unique_id}/recovery_codes/`, {}, 201],
    ] as const) {
      const answers = await times(20, (i) =>
        post(i, path, { ...params }, `key of ${path}`),
      );
      expect(answers.map((answer) => answer.status)).toEqual(
        Array(20).fill(status),
      );
      const bodies = answers.map(({ body }) => JSON.stringify(body.data));
      // The code was right once; each instance has its own address in the links.
      const distinct = new Set(
        bodies.map((body) => body.replace(/127\.0\.0\.1:\d+/g, 'host')),
      );
      expect(distinct.size).toBe(1);
    }
    expect(sent()).toBe(before + 1);
  });

  it('answer a check with one Idempotency-Key alike on both, without a failure', async () => {
    const users = await times(16, () => createUser(instances[0]!));
    for (let round = 0; round < 10; round++) {
      const key = randomUUID();
      const rounds = await times(users.length, (i) =>
        times(4, (instance) =>
          post(
            instance,
            'check/',
            { unique_id: users[i].unique_id, auth_code: '00000000' },
            `${key} ${i}`,
          ),
        ),
      );
      for (const answers of rounds) {
        const bodies = answers.map(({ body }) => body.data ?? body.error_code);
        const first = round < 5 ? bodies[0] : 'too_many_attempts';
        expect(bodies).toEqual(Array(4).fill(first));
      }
    }
  });

  it('wait for a key before they lock the user, as every other call does', async () => {
    const { unique_id, otp } = await createUser(instances[0]!);
    const key = randomUUID();
    const id = createHash('sha256').update(`test\n${key}`).digest('hex');
    await withClient(url, async (client) => {
      await client.query('begin');
      await client.query(
        "insert into idempotency (id, fingerprint, claim, expires_at) values ($1, '', '', $2)",
        [id, Number.MAX_SAFE_INTEGER],
      );
      const answer = post(0, 'check/', { unique_id, auth_code: otp }, key);
      while (!(await isBlocking(client)));
      await client.query(
        'select from users where unique_id = $1 for update nowait',
        [unique_id],
      );
      await client.query('rollback');
      expect((await answer).body.data.authenticated).toBe(true);
    });
  });
});
