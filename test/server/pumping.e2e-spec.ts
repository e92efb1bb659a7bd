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
import { RateLimitError } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import type { Message } from 'nestjs-gauthify/server';
import { placeOf } from '../../lib/server/delivery/number-policy.js';
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
          .catch((error: unknown) => {
            if (!(error instanceof RateLimitError)) throw error;
          }),
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
      // Of the other 9,975 numbers every 25th, by the part that decides.
      let more = 0;
      for (let i = 25; i < 10_000; i += 25)
        if (await take('+491511234')) more += 1;
      expect(more).toBe(0);
      expect(await send(users[0], '+4915112350001')).toBe('too_many_sends');
      expect(await send(users[21], '+4915112350001')).toBe('sent');
      server.advance(24 * 3600);
      expect(await send(users[24], '+4915112340035')).toBe('sent');
    });

    it('of one prefix share few blocks, however long the numbers are', () => {
      const numbers = ['+4366412345', '+49151123456']
        .flatMap((prefix) =>
          ['67', '678', '6789', '67890'].map((rest) => `${prefix}${rest}`),
        )
        .concat('+4366412345999');
      const blocks = numbers.map((to) => placeOf('voice', to, undefined).block);
      expect([...new Set(blocks)]).toEqual([
        '+43664123',
        '+436641234',
        '+491511234',
      ]);
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

    it('credit the block that a code was sent to, after another message was not sent', async () => {
      await server.close();
      const codes: string[] = [];
      await start({
        senders: {
          sms: {
            send: async ({ to, code }: Message) => {
              if (to.startsWith('+33')) throw new Error('no');
              codes.push(code);
            },
          },
        },
      });
      const user = await createUser(server);
      expect(await send(user, '+4915112340010')).toBe('sent');
      server.advance(60);
      expect(await send(user, '+33612340001')).toBe('delivery_failed');
      expect(await check(server, user.unique_id, codes[0]!)).toMatchObject({
        authenticated: true,
        method: 'sms',
      });
      const counts = await server.app
        .get<Database>(DATABASE)
        .read.selectFrom('message_counts')
        .select(['subject', 'sent', 'entered'])
        .where('subject', 'like', 'block%')
        .orderBy('subject')
        .execute();
      expect(counts).toMatchObject([
        { sent: 0, entered: 0 },
        { subject: 'block test sms +491511234', sent: 1, entered: 1 },
      ]);
    });

    it('whose codes are entered on the next day make room for none more', async () => {
      const users = await Promise.all(
        Array.from({ length: 60 }, () => createUser(server)),
      );
      await send(users[0], '+4915112340010');
      server.advance(24 * 3600 - 60);
      const codes = [];
      for (const [i, user] of users.slice(1, 20).entries()) {
        expect(await send(user, `+49151123400${11 + i}`)).toBe('sent');
        codes.push(server.lastCode());
      }
      server.advance(120);
      expect(await send(users[20], '+4915112340040')).toBe('sent');
      for (const [i, code] of codes.entries())
        await check(server, users[i + 1]!.unique_id, code);
      const outcomes = [];
      for (const [i, user] of users.slice(21).entries())
        outcomes.push(await send(user, `+49151123400${41 + i}`));
      // One was sent on this day, and one is counted as entered: twenty more may go.
      expect(outcomes.filter((one) => one === 'sent')).toHaveLength(20);
    });

    if (name === 'PostgreSQL')
      it('are counted by several instances, while old counts are deleted', async () => {
        const database = server.app.get<Database>(DATABASE);
        const blocks = Array.from({ length: 30 }, (_, i) => `+49${i}`);
        for (const block of blocks) await take(block);
        await database.unit(({ db }) =>
          db.updateTable('message_counts').set({ since: 0 }).execute(),
        );
        const taken = await Promise.all(
          blocks.flatMap((block) => [take(block), take(block), take(block)]),
        );
        expect(taken).not.toContain(undefined);
      });

    it('of two normal days are none refused', async () => {
      // Two days of 1,500 messages to three countries, four in a hundred people
      // colleagues with numbers of one block, who come to work within five
      // minutes, and all within one minute on the second day. 82 of 100 codes are
      // entered, after 10 to 100 seconds. A fixed seed.
      let seed = 20_261_127;
      const random = () => {
        seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
        return seed / 2 ** 31;
      };
      interface Event {
        at: number;
        country: string;
        block: string;
        /** Seconds since the start; missing if the code is not entered. */
        entersAt?: number;
      }
      const events: Event[] = [];
      const add = (time: number, country: string, block: string) => {
        const at = Math.floor(time);
        events.push({
          at,
          country,
          block,
          ...(random() < 0.82 && {
            entersAt: at + 10 + Math.floor(random() * 90),
          }),
        });
      };
      for (const day of [0, 86_400]) {
        for (let i = 0; i < 1_440; i++) {
          const country = random() < 0.8 ? 'DE' : random() < 0.5 ? 'AT' : 'CH';
          const isDense = random() < 1 / 3;
          const block = Math.floor(random() * (isDense ? 20 : 40_000));
          add(day + random() * 86_000, country, `+${country}${block}`);
        }
        const minutes = day === 0 ? 5 : 1;
        for (let i = 0; i < 60; i++)
          add(day + 30_000 + random() * 60 * minutes, 'DE', '+DEoffice');
      }
      const { app } = server;
      const database = app.get<Database>(DATABASE);
      const guard = app.get(PumpingGuard);
      const actions = events
        .flatMap((event) => [
          { at: event.at, event, isEntry: false },
          ...(event.entersAt === undefined
            ? []
            : [{ at: event.entersAt, event, isEntry: true }]),
        ])
        .sort((one, other) => one.at - other.at);
      let clock = 0;
      // Twenty in one commit; a refusal would undo them, and fail the test.
      for (let i = 0; i < actions.length; i += 20)
        await database.unit(async (unit) => {
          for (const { at, event, isEntry } of actions.slice(i, i + 20)) {
            server.advance(at - clock);
            clock = at;
            const { country, block } = event;
            if (isEntry)
              await unit.db
                .updateTable('message_counts')
                .set((eb) => ({ entered: eb('entered', '+', 1) }))
                .where('subject', 'in', [
                  `block test sms ${block}`,
                  `country test sms ${country}`,
                ])
                .execute();
            else await guard.take(unit, 'test', 'sms', { country, block });
          }
        });
      const counted = await database.read
        .selectFrom('message_counts')
        .select(['sent', 'entered', 'entered_before'])
        .where('subject', '=', 'block test sms +DEoffice')
        .executeTakeFirstOrThrow();
      expect(counted.sent).toBeGreaterThan(50);
      expect(counted.entered_before).toBeGreaterThan(40);
    });

    it('of a country end at a bound, however many codes are entered', async () => {
      await server.close();
      await start({
        security: { unusedCodesPerCountry: 5, mostUnusedCodesPerCountry: 8 },
      });
      expect(await take('+1', 'US')).toBeTruthy();
      // A thousand people entered theirs.
      await server.app
        .get<Database>(DATABASE)
        .unit(({ db }) =>
          db
            .updateTable('message_counts')
            .set({ sent: 1001, entered: 1000 })
            .where('subject', 'like', 'country%')
            .execute(),
        );
      let more = 0;
      for (let i = 2; i < 20; i++) if (await take(`+${i}`, 'US')) more += 1;
      expect(more).toBe(7);
    });

    it('may be sent again as soon as codes are entered, and Retry-After says so', async () => {
      const users = await Promise.all(
        Array.from({ length: 22 }, () => createUser(server)),
      );
      const first = server;
      for (const [i, user] of users.slice(0, 20).entries())
        await send(user, `+49151123400${10 + i}`);
      const code = server.lastCode();
      const refused = async () => {
        const { status, headers, body } = await call(first, 'POST', 'sms/', {
          unique_id: users[20]!.unique_id,
          sms_number: '+4915112340050',
        });
        expect([status, body.error_code]).toEqual([
          402,
          'too_many_unused_codes',
        ]);
        return Number(headers.get('retry-after'));
      };
      server.advance(100);
      // The server's clock runs on while the test does.
      const about = (seconds: number, found: number) =>
        seconds - 60 < found && found <= seconds ? seconds : found;
      // The last code expires in 200 s.
      expect(about(200, await refused())).toBe(200);
      await check(server, users[19]!.unique_id, code);
      expect(await send(users[20], '+4915112340050')).toBe('sent');
      server.advance(300);
      expect(await send(users[21], '+4915112340051')).toBe(
        'too_many_unused_codes',
      );
      const rest = 24 * 3600 - 400;
      expect(about(rest, await refused())).toBe(rest);
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
      [
        '+881612345678',
        'a satellite network',
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
