/** SMS pumping, and numbers that no code is sent to. */
import 'reflect-metadata';
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
import { PumpingGuard } from '../../lib/server/delivery/pumping-guard.js';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { call, check, createUser } from '../helpers/api.js';
import {
  createPostgres,
  describeWith,
  encryptionKeys,
} from '../helpers/postgres.js';

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

function suite(
  describeThis: typeof describe | typeof describe.skip,
  name: string,
  newDatabase: () => Promise<string>,
): void {
  describeThis(`messages to numbers on ${name}`, () => {
    let server: GAuthifyTestServer;
    const start = async (options = {}) =>
      (server = await GAuthifyTestServer.start({
        database: await newDatabase(),
        encryptionKeys: encryptionKeys(),
        ...options,
      }));
    beforeEach(() => start());
    afterEach(() => server.close());

    const send = async (user: any, sms_number: string, channel = 'sms') => {
      const { status, body } = await call(server, 'POST', `${channel}/`, {
        unique_id: user.unique_id,
        [`${channel}_number`]: sms_number,
      });
      return status === 200 ? 'sent' : (body.error_code as string);
    };
    /** The guard alone: as many messages as a day has, in a moment. */
    const take = (block: string, country = 'DE') =>
      server.app.get<Database>(DATABASE).unit((unit) =>
        server.app
          .get(PumpingGuard)
          .take(unit, 'test', 'sms', { country, block })
          .then(
            (subjects) => subjects,
            () => undefined,
          ),
      );

    it('go to at most 20 of 10,000 numbers of one block, if no code is entered', async () => {
      const users = await Promise.all(
        Array.from({ length: 25 }, () => createUser(server)),
      );
      const outcomes: string[] = [];
      for (const [i, user] of users.entries())
        outcomes.push(await send(user, `+49151123400${10 + i}`));
      expect(outcomes.slice(0, 20)).toEqual(Array(20).fill('sent'));
      expect(outcomes.slice(20)).toEqual(
        Array(5).fill('too_many_unused_codes'),
      );
      // The other 9,975 numbers, by the part that decides.
      let more = 0;
      for (let i = 25; i < 10_000; i += 250)
        if (await take('+491511234')) more += 1;
      expect(more).toBe(0);
      expect(await send(users[0], '+4915112350001')).toBe('too_many_sends');
      expect(await send(users[21], '+4915112350001')).toBe('sent');
      server.advance(24 * 3600);
      expect(await send(users[24], '+4915112340035')).toBe('sent');
    });

    it('at the same moment are counted one after the other', async () => {
      const users = await Promise.all(
        Array.from({ length: 40 }, () => createUser(server)),
      );
      const outcomes = await Promise.all(
        users.map((user, i) => send(user, `+49151123400${10 + i}`)),
      );
      expect(outcomes.filter((one) => one === 'sent')).toHaveLength(20);
    });

    it('go on where codes are entered', async () => {
      for (let i = 0; i < 30; i++) {
        const user = await createUser(server);
        expect([i, await send(user, `+49151123400${10 + i}`)]).toEqual([
          i,
          'sent',
        ]);
        expect(
          await check(server, user.unique_id, server.lastCode()),
        ).toMatchObject({ authenticated: true, method: 'sms' });
      }
    });

    it('that could not be delivered do not count', async () => {
      await server.close();
      await start({
        senders: { sms: { send: () => Promise.reject(new Error('no')) } },
      });
      for (let i = 0; i < 25; i++)
        expect(
          await send(await createUser(server), `+49151123400${10 + i}`),
        ).toBe('delivery_failed');
    });

    it('of a normal day are none refused', async () => {
      // A day of messages to three countries, 82 of 100 codes entered; a third
      // of the people are customers of few operators' blocks. A fixed seed.
      let seed = 20_261_127;
      const random = () => {
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
        return seed / 2 ** 31;
      };
      const day = Array.from({ length: 1_000 }, () => {
        const country = random() < 0.8 ? 'DE' : random() < 0.5 ? 'AT' : 'CH';
        const isDense = random() < 1 / 3;
        const number = Math.floor(random() * (isDense ? 20 : 40_000));
        return {
          country,
          block: `+${country}${number}`,
          isEntered: random() < 0.82,
        };
      });
      const { app } = server;
      const database = app.get<Database>(DATABASE);
      const guard = app.get(PumpingGuard);
      // Twenty in one commit; a refusal would undo them, and fail the test.
      for (let i = 0; i < day.length; i += 20)
        await database.unit(async (unit) => {
          for (const { country, block, isEntered } of day.slice(i, i + 20)) {
            const place = { country, block };
            const subjects = await guard.take(unit, 'test', 'sms', place);
            if (isEntered)
              await unit.db
                .updateTable('message_counts')
                .set((eb) => ({ entered: eb('entered', '+', 1) }))
                .where('subject', 'in', subjects.split('\n'))
                .execute();
          }
        });
      const { read } = database;
      const { sent } = await read
        .selectFrom('message_counts')
        .select(({ fn }) => fn.sum<number>('sent').as('sent'))
        .where('subject', 'like', 'country %')
        .executeTakeFirstOrThrow();
      expect(Number(sent)).toBe(day.length);
    });

    it.each([
      [
        '+498001234567',
        'toll-free',
        'number_not_supported',
        'number_not_supported',
      ],
      [
        '+499001234567',
        'premium rate',
        'number_not_supported',
        'number_not_supported',
      ],
      ['+4930123456', 'a landline', 'number_not_supported', 'sent'],
    ])('to %s (%s): SMS %s, call %s', async (number, _, sms, voice) => {
      expect(await send(await createUser(server), number)).toBe(sms);
      expect(await send(await createUser(server), number, 'voice')).toBe(voice);
    });

    it('go to the allowed countries alone', async () => {
      await server.close();
      await start({ smsCountries: ['DE', 'AT'] });
      const user = await createUser(server);
      expect(await send(user, '+33612345678')).toBe('country_not_allowed');
      expect(await send(user, '+4915112345678')).toBe('sent');
    });
  });
}
