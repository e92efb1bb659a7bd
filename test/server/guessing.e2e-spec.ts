/** What a guesser can do with a weaker factor, and with patience; and that people are not harmed by it. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { call, check, createUser, wrongCode } from '../helpers/api.js';

let server: GAuthifyTestServer;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
});
afterAll(() => server.close());

const DAY = 24 * 3600;

const attempt = (user: any, auth_code: string) =>
  call(server, 'POST', 'check/', { unique_id: user.unique_id, auth_code });
/** A wrong code; the answer. */
const guess = (user: any) => attempt(user, wrongCode(server, user.key));

let users = 0;
async function user({ enrolled }: { enrolled: boolean }) {
  const made = await createUser(server, {
    email: `guessed-${++users}@example.com`,
  });
  if (enrolled) {
    const code = server.totp(made.key);
    expect(await check(server, made.unique_id, code)).toMatchObject({
      method: 'totp',
    });
    server.advance(30);
  }
  return made;
}

/** Proves the mailbox; `undefined` where no message may be sent now. */
async function mailCode({ unique_id, email }: any) {
  const { status } = await call(server, 'POST', 'email/', { unique_id });
  return status === 200 ? server.lastCode(email) : undefined;
}

describe('someone with the mailbox', () => {
  it('gets five guesses at the authenticator app, whatever codes are mailed in between', async () => {
    const jane = await user({ enrolled: true });
    let looked = 0;
    let refused = 0;
    for (let i = 0; i < 240; i++) {
      const answer = await guess(jane);
      if (answer.status === 200) looked++;
      else refused++;
      if (i % 4 === 3) {
        const code = await mailCode(jane);
        if (code) await attempt(jane, code);
      }
    }
    // Five, and what the seconds this takes allow on a slow machine.
    expect(looked).toBeLessThanOrEqual(7);
    expect(looked + refused).toBe(240);
  });

  it('waits as long after a right mailed code as before it', async () => {
    const jane = await user({ enrolled: true });
    const waits = [];
    for (let i = 0; i < 4; i++) await guess(jane);
    for (let i = 0; i < 6; i++) {
      // At five failures and more, a wait; then a right code from the mailbox; then the next guess.
      expect((await guess(jane)).status).toBe(200);
      const refused = await guess(jane);
      expect(refused.status).toBe(402);
      waits.push(Number(refused.headers.get('retry-after')));
      server.advance(Math.max(31, waits.at(-1)!));
      const code = await mailCode(jane);
      if (code)
        expect((await attempt(jane, code)).body.data.method).toBe('email');
    }
    expect(waits).toEqual([5, 10, 20, 40, 80, 160]);
  });

  it('cannot enter guesses beside the right mailed code at the same moment', async () => {
    const jane = await user({ enrolled: true });
    const code = (await mailCode(jane))!;
    const answers = await Promise.all([
      ...Array.from({ length: 60 }, () => guess(jane)),
      attempt(jane, code),
      ...Array.from({ length: 60 }, () => guess(jane)),
    ]);
    const looked = answers.filter(({ status }) => status === 200);
    expect(looked.length).toBeLessThanOrEqual(6);
    // The fifth, if the right code was in its place; then none.
    await guess(jane);
    expect((await guess(jane)).status).toBe(402);
  });
});

describe('wrong codes in any 24 hours', () => {
  /** The most that lie within one day. */
  const worstDay = (times: number[]) =>
    Math.max(
      ...times.map(
        (start) =>
          times.filter((at) => at >= start && at < start + DAY * 1000).length,
      ),
    );

  /**
   * For three days: whatever forgives, then four guesses. Where that does not end
   * a wait, the next attempt is made when the wait is over.
   */
  async function guessFor3Days(
    jane: any,
    forgive: () => Promise<string | undefined>,
  ) {
    const times: number[] = [];
    const end = server.now() + 3 * DAY * 1000;
    let refusals = 0;
    while (server.now() < end) {
      const code = await forgive();
      if (code) await attempt(jane, code);
      let wait = 0;
      for (let i = 0; i < 4 && !wait; i++) {
        const { status, headers } = await guess(jane);
        if (status === 200) times.push(server.now());
        else wait = Number(headers.get('retry-after'));
      }
      refusals = wait ? refusals + 1 : 0;
      server.advance(refusals < 2 ? 901 : Math.max(901, wait));
    }
    return times;
  }

  it.each([{ enrolled: true }, { enrolled: false }])(
    'are at most 100 for someone with the mailbox of a user who is %j',
    async (who) => {
      const jane = await user(who);
      const times = await guessFor3Days(jane, () => mailCode(jane));
      expect(worstDay(times)).toBeLessThanOrEqual(100);
    },
  );

  it('are at most 100, though right codes of the app come in between', async () => {
    const jane = await user({ enrolled: true });
    const times = await guessFor3Days(jane, async () => server.totp(jane.key));
    expect(worstDay(times)).toBeLessThanOrEqual(100);
    // And the guesser was not simply locked out: the limit is what was met.
    expect(times.length).toBeGreaterThan(150);
  });

  it('are at most 100 in parallel, and the wait is a true one', async () => {
    const jane = await user({ enrolled: true });
    let wrong = 0;
    let refused;
    for (let round = 0; round < 60 && !refused; round++) {
      const answers = await Promise.all(
        Array.from({ length: 4 }, () => guess(jane)),
      );
      wrong += answers.filter(({ status }) => status === 200).length;
      refused = answers.find(({ status }) => status === 402);
      if (!refused) await attempt(jane, server.totp(jane.key));
      if (!refused) server.advance(30);
    }
    expect(wrong).toBeLessThanOrEqual(100);
    if (!refused) throw new Error('Was never refused');
    expect(refused.body.error_code).toBe('too_many_attempts');
    const seconds = Number(refused.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(60);
    expect(refused.body.error_message).toBe(
      `Too many wrong codes: wait ${seconds} seconds before the next attempt`,
    );
    server.advance(seconds - 3);
    expect((await guess(jane)).status).toBe(402);
    server.advance(4);
    expect((await guess(jane)).status).toBe(200);
  });

  it('start anew with reset_key', async () => {
    const strict = await GAuthifyTestServer.start({
      security: { maxWrongCodesPerDay: 2 },
    });
    try {
      const jane = await createUser(strict);
      const wrong = () => check(strict, jane.unique_id, '00000000');
      expect(await wrong()).toMatchObject({ authenticated: false });
      expect(await wrong()).toMatchObject({ error_code: 'too_many_attempts' });
      const { body } = await call(strict, 'PUT', `users/${jane.unique_id}/`, {
        reset_key: 'true',
      });
      const code = strict.totp(body.data.key);
      expect(await check(strict, jane.unique_id, code)).toMatchObject({
        authenticated: true,
      });
    } finally {
      await strict.close();
    }
  });
});

describe('a person', () => {
  it('with a mailbox alone goes on after mistyped codes and a right one', async () => {
    const jane = await user({ enrolled: false });
    for (let day = 0; day < 60; day++) {
      const code = (await mailCode(jane))!;
      for (let i = 0; i < 2; i++) expect((await guess(jane)).status).toBe(200);
      expect((await attempt(jane, code)).body.data.authenticated).toBe(true);
      server.advance(DAY / 2);
    }
  });

  it('with an app who mistypes mailed codes is forgiven by the app', async () => {
    const jane = await user({ enrolled: true });
    for (let week = 0; week < 40; week++) {
      for (let i = 0; i < 3; i++) expect((await guess(jane)).status).toBe(200);
      const mailed = (await mailCode(jane))!;
      expect((await attempt(jane, mailed)).body.data.method).toBe('email');
      server.advance(31);
      const { body } = await attempt(jane, server.totp(jane.key));
      expect(body.data.method).toBe('totp');
      server.advance(DAY);
    }
  });

  it('who never mistypes is never refused, however often a code is asked for', async () => {
    const jane = await user({ enrolled: true });
    for (let i = 0; i < 300; i++) {
      const { body } = await attempt(jane, server.totp(jane.key));
      expect(body.data.authenticated).toBe(true);
      server.advance(30);
    }
  });
});

it('states the wait in seconds', async () => {
  const jane = await user({ enrolled: true });
  for (let i = 0; i < 7; i++) {
    await guess(jane);
    server.advance(i >= 4 ? 10 : 0);
  }
  const { headers, body } = await guess(jane);
  expect(body.error_message).toBe(
    `Too many wrong codes: wait ${headers.get('retry-after')} seconds before the next attempt`,
  );
});
