import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Allowance } from '../../sample/01-login/accounts/allowance.js';
import { networkOf } from '../../sample/01-login/accounts/network-of.js';
import { BusyError, Turns } from '../../sample/01-login/accounts/turns.js';
import { RunningSample } from './running-sample.js';

const PASSWORD = 'correct horse';

describe('the limits of sample 01-login', () => {
  let sample: RunningSample;
  /** With the hash that everybody gets, which takes a fifth of a second. */
  let slow: RunningSample;
  /** Counts names that were never used. */
  let names = 0;

  // The limits that everybody gets.
  beforeAll(async () => {
    sample = await RunningSample.start({ passwordCost: 2 ** 4 });
    slow = await RunningSample.start({});
  });
  afterAll(() => Promise.all([sample.stop(), slow.stop()]));

  const signIn = (name: string, password: string, at = sample) =>
    at.visitor().post('/sign-in', { name, password });

  async function register(at = sample): Promise<string> {
    const name = `joe-${++names}`;
    await at.visitor().post('/register', { name, password: PASSWORD });
    return name;
  }

  it('make who guesses at a name wait, known or not, and say so in the same words', async () => {
    const known = await register();
    const pages = [];
    for (const name of [known, 'nobody']) {
      for (let i = 0; i < 5; i++)
        expect((await signIn(name, 'wrong horse')).status).toBe(422);
      pages.push(await signIn(name, PASSWORD));
    }
    for (const { status, html, headers } of pages) {
      expect(status).toBe(429);
      expect(Number(headers.get('retry-after'))).toBeGreaterThan(200);
      expect(html).toContain(
        'Too many wrong passwords. Try again in 5 minutes',
      );
    }
    expect(pages[0]!.html.replace(known, 'nobody')).toBe(pages[1]!.html);

    sample.advance(300);
    expect((await signIn(known, PASSWORD)).location).toBe('/code');
  });

  it('keep no name that nobody can have', async () => {
    for (let i = 0; i < 30; i++)
      expect((await signIn('x'.repeat(41), PASSWORD)).status).toBe(422);
  });

  it('hold for guesses that come at once', async () => {
    const name = await register();
    const pages = await Promise.all(
      Array.from({ length: 9 }, (_, i) => signIn(name, `wrong horse ${i}`)),
    );
    const statuses = pages.map(({ status }) => status).sort();
    expect(statuses).toEqual([422, 422, 422, 422, 422, 429, 429, 429, 429]);
    sample.advance(300);
  });

  it('count no right password', async () => {
    const name = await register();
    for (let i = 0; i < 6; i++)
      expect((await signIn(name, PASSWORD)).location).toBe('/code');
  });

  it('make an address wait that tries many names', async () => {
    const name = await register();
    const guesses = await Promise.all(
      Array.from({ length: 20 }, (_, i) => signIn(`no-${i}`, 'wrong horse')),
    );
    expect(new Set(guesses.map(({ status }) => status))).toEqual(
      new Set([422]),
    );
    expect((await signIn(name, PASSWORD)).status).toBe(429);
    sample.advance(300);
    expect((await signIn(name, PASSWORD)).location).toBe('/code');
  });

  it('let an address ask for ten names an hour', async () => {
    sample.advance(3600);
    const name = await register();
    for (let i = 0; i < 9; i++) {
      const { html } = await sample
        .visitor()
        .post('/register', { name, password: PASSWORD });
      expect(html).toContain('Somebody has this name already');
    }
    const { status, html } = await sample
      .visitor()
      .post('/register', { name, password: PASSWORD });
    expect(status).toBe(429);
    expect(html).toContain('Try again in 60 minutes');
    expect(html).toContain(`value="${name}"`);
    sample.advance(3600);
  });

  it('take as much work for an unknown name as for a wrong password', async () => {
    const known = await register(slow);
    // Of the processor, and of this process: what else the machine does is not in it.
    const workOf = async (name: string) => {
      const start = process.cpuUsage();
      await signIn(name, 'wrong horse', slow);
      const { user, system } = process.cpuUsage(start);
      return user + system;
    };
    // The least of three: waste that is collected only adds.
    const least = async (name: string) =>
      Math.min(await workOf(name), await workOf(name), await workOf(name));
    const [wrong, unknown] = [await least(known), await least('nobody-else')];
    // A hash is 0.2 s and a page a few milliseconds.
    expect(unknown).toBeGreaterThan(wrong / 2);
    slow.advance(300);
  });

  it('serve others while passwords are hashed', async () => {
    let signedIn = 0;
    const guesses = Array.from({ length: 12 }, async (_, i) => {
      await signIn(`no-${i}`, 'wrong horse', slow);
      signedIn += 1;
    });
    // All of them are hashed, or wait for it.
    await Promise.race(guesses);
    // Reads a file, on the threads that hash.
    const { status } = await slow.visitor().get('/style.css');
    expect(status).toBe(200);
    expect(signedIn).toBeLessThan(6);
    await Promise.all(guesses);
    slow.advance(300);
  });

  it('turn away who would wait too long', async () => {
    const turns = new Turns(2, 3);
    let end!: () => void;
    const ended = new Promise<void>((resolve) => (end = resolve));
    let most = 0;
    let underWay = 0;
    const work = async () => {
      most = Math.max(most, ++underWay);
      await ended;
      underWay -= 1;
    };
    const five = Array.from({ length: 5 }, () => turns.take(work));
    await expect(turns.take(work)).rejects.toBeInstanceOf(BusyError);
    end();
    await Promise.all(five);
    expect(most).toBe(2);
    // A failure ends a turn like a success.
    await expect(
      turns.take(() => Promise.reject(new Error('no'))),
    ).rejects.toThrow('no');
    await expect(turns.take(async () => 'yes')).resolves.toBe('yes');
  });
});

it('forgets nobody for the sake of attempts that were taken back', () => {
  const allowance = new Allowance({ times: 1, seconds: 300 }, () => 0);
  allowance.take('jane');
  for (let i = 0; i < 20_000; i++) {
    allowance.take(`name ${i}`);
    allowance.giveBack(`name ${i}`);
  }
  expect(allowance.take('jane')).toBe(300);
});

it.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::7', '2001:db8:1:2'],
  ['2001:db8::7', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
])('the network of %s is %s', (address, network) => {
  expect(networkOf(address)).toBe(network);
});
