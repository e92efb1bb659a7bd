/** Allowances of messages: what counts as one mailbox, and how many a user is sent in a day. */
import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { call, createUser } from '../helpers/api.js';

let server: GAuthifyTestServer;
const start = async (
  options: Parameters<typeof GAuthifyTestServer.start>[0] = {},
) => {
  server = await GAuthifyTestServer.start(options);
};
afterEach(() => server.close());

const send = (
  user: any,
  params: Record<string, string> = {},
  channel = 'email',
) =>
  call(server, 'POST', `${channel}/`, { unique_id: user.unique_id, ...params });

describe('one mailbox', () => {
  beforeEach(() => start());

  it.each([
    ['a tag', 'jane@example.com', 'jane+shop@example.com'],
    ['another tag', 'jane+1@example.com', 'Jane+2@Example.COM'],
    [
      'dots and tags at Gmail',
      'jane.doe@gmail.com',
      'j.anedoe+x@googlemail.com',
    ],
    [
      'the other form of an international domain',
      'jane@exämple.com',
      'jane@xn--exmple-cua.com',
    ],
    [
      'the other composition of a letter',
      'j\u00e4n@example.com',
      'ja\u0308n@example.com',
    ],
  ])('is that of %s, whoever the message is for', async (_, one, other) => {
    const [jane, joe] = [await createUser(server), await createUser(server)];
    expect((await send(jane, { email: one })).status).toBe(200);
    expect((await send(joe, { email: other })).body.error_code).toBe(
      'too_many_sends',
    );
    expect(server.outbox).toHaveLength(1);
    // What was refused took nothing of Joe's own.
    expect((await send(joe, { email: 'joe@example.com' })).status).toBe(200);
  });

  it.each([
    '"jane"@example.com',
    '"j\\ane"@example.com',
    '"jane+x"@example.com',
  ])('cannot be written as the quoted address %s', async (email) => {
    const jane = await createUser(server);
    const { status, body } = await send(jane, { email });
    expect([status, body.error_code]).toEqual([406, 'invalid_parameter']);
    expect(server.outbox).toEqual([]);
  });

  it('is not that of an address with other dots elsewhere', async () => {
    const [jane, joe] = [await createUser(server), await createUser(server)];
    await send(jane, { email: 'jane.doe@example.com' });
    const { status } = await send(joe, { email: 'janedoe@example.com' });
    expect(status).toBe(200);
  });

  it('has a limit in each realm, which other realms neither use up nor see', async () => {
    const key = 'o'.repeat(32);
    const other = await GAuthifyTestServer.start({
      apiKeys: [{ realm: 'other', key }],
    });
    try {
      const params = { unique_id: 'jane', display_name: 'Jane' };
      const theirs = { headers: { authorization: key } };
      await call(other, 'POST', 'users/', params, theirs);
      await call(other, 'POST', 'users/', params);
      const email = { unique_id: 'jane', email: 'jane@example.com' };
      const first = await call(other, 'POST', 'email/', email, theirs);
      expect(first.status).toBe(200);
      expect((await call(other, 'POST', 'email/', email)).status).toBe(200);
    } finally {
      await other.close();
    }
  });

  it('gets its message at the address as it was given', async () => {
    const jane = await createUser(server, { email: 'Jane+Shop@example.com' });
    await send(jane);
    expect(server.outbox[0]!.to).toBe('Jane+Shop@example.com');
  });
});

describe('a refusal', () => {
  beforeEach(() => start());

  it('states the wait in seconds', async () => {
    const jane = await createUser(server, { email: 'jane@example.com' });
    await send(jane);
    server.advance(5);
    const { headers, body } = await send(jane);
    expect(body.error_message).toBe(
      `Too many messages: wait ${headers.get('retry-after')} seconds before the next message`,
    );
    expect(headers.get('retry-after')).toBe('25');
  });
});

describe('the messages of a day', () => {
  const addresses = {
    email: 'jane@example.com',
    sms_number: '9162627232',
    voice_number: '9162627233',
  };
  const CHANNELS = ['email', 'sms', 'voice'];

  it('are at most sendsPerDay, all channels together, in any 24 hours', async () => {
    await start({ security: { sendsPerDay: 7 } });
    const jane = await createUser(server, addresses);
    const sentAt: number[] = [];
    for (let round = 0; round < 3 * 24 * 2; round++) {
      for (const channel of CHANNELS)
        if ((await send(jane, {}, channel)).status === 200)
          sentAt.push(server.now());
      server.advance(1800);
    }
    const day = 24 * 3600 * 1000;
    for (const start of sentAt)
      expect(
        sentAt.filter((at) => at >= start && at < start + day).length,
      ).toBeLessThanOrEqual(7);
    // Three days of seven: the limit does not lock anybody out.
    expect(sentAt).toHaveLength(21);
  });

  it('are 50 by default, and the refusal says when the next may go', async () => {
    await start();
    const jane = await createUser(server, addresses);
    let sent = 0;
    let refused;
    for (; !refused; server.advance(121)) {
      const answer = await send(jane, {}, CHANNELS[sent % 3]);
      if (answer.status === 200) sent++;
      else refused = answer;
    }
    expect(sent).toBe(50);
    const seconds = Number(refused.headers.get('retry-after'));
    server.advance(seconds - 121 - 5);
    expect((await send(jane)).status).toBe(402);
    server.advance(6);
    expect((await send(jane)).status).toBe(200);
  });

  it('do not exceed the limit when they are sent at the same moment', async () => {
    await start({ security: { sendsPerDay: 2 } });
    const jane = await createUser(server, addresses);
    const answers = await Promise.all(
      CHANNELS.flatMap((channel) =>
        Array.from({ length: 10 }, () => send(jane, {}, channel)),
      ),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(2);
    expect(server.outbox).toHaveLength(2);
  });

  it('do not count what could not be delivered', async () => {
    await start({
      security: { sendsPerDay: 1 },
      senders: { sms: { send: () => Promise.reject(new Error('down')) } },
    });
    const jane = await createUser(server, addresses);
    for (let i = 0; i < 3; i++, server.advance(30))
      expect((await send(jane, {}, 'sms')).body.error_code).toBe(
        'delivery_failed',
      );
    expect((await send(jane)).status).toBe(200);
    expect((await send(jane)).status).toBe(402);
  });

  it('are deleted after that day', async () => {
    await start();
    const jane = await createUser(server, addresses);
    await send(jane);
    server.advance(24 * 3600 + 1);
    await send(jane, {}, 'sms');
    const rows = await server.app
      .get<Database>(DATABASE)
      .read.selectFrom('sends')
      .select('number')
      .execute();
    // Of the second message alone: one of each limit.
    expect(rows).toEqual(Array.from({ length: 5 }, () => ({ number: 1 })));
  });
});
