import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { RunningSample } from './running-sample.js';
import type { Visitor } from './visitor.js';

const PASSWORD = 'correct horse';
const EMAIL = 'jane@example.com';
const PHONE = '+447911123456';

describe('sample 01-login', () => {
  let sample: RunningSample;
  let names = 0;
  /** An account that entered a code, for tests that leave it as it is; hashing passwords takes its time. */
  let jane: { name: string; key: string; visitor: Visitor };

  beforeAll(async () => {
    sample = await RunningSample.start();
    jane = await enrol({ email: EMAIL, phone: PHONE });
  });

  afterAll(async () => {
    await sample.stop();
  });

  const newName = () => `jane-${++names}`;

  async function register(fields: Record<string, string> = {}) {
    const name = newName();
    await sample
      .visitor()
      .post('/register', { name, password: PASSWORD, ...fields });
    return name;
  }

  /** A visitor whose password was right. */
  async function signIn(name: string): Promise<Visitor> {
    const visitor = sample.visitor();
    const { location } = await visitor.post('/sign-in', {
      name,
      password: PASSWORD,
    });
    expect(location).toBe('/code');
    return visitor;
  }

  async function keyOf(visitor: Visitor): Promise<string> {
    const { html } = await visitor.get('/code');
    return /<code id="key">([A-Z2-7 ]+)<\/code>/.exec(html)![1]!;
  }

  /** An account that entered its first code. */
  async function enrol(fields: Record<string, string> = {}) {
    const name = await register(fields);
    const visitor = await signIn(name);
    const key = await keyOf(visitor);
    const { location } = await visitor.post('/code', {
      code: sample.totp(key),
    });
    expect(location).toBe('/account');
    sample.advance(30);
    return { name, key, visitor };
  }

  function wrongCode(key: string): string {
    const soon = sample.totp(key);
    return soon === '000000' ? '111111' : '000000';
  }

  describe('registering', () => {
    it('signs the new account in, with a session of another id', async () => {
      const visitor = sample.visitor();
      visitor.sessionId = 's%3Aslipped.in';
      const page = await visitor.post('/register', {
        name: newName(),
        password: PASSWORD,
      });
      expect(page).toMatchObject({ status: 303, location: '/code' });
      expect(visitor.sessionId).not.toBe('s%3Aslipped.in');
      const { html } = await visitor.get('/code');
      expect(html).toContain('Set up your authenticator app');
      expect((await visitor.get('/account')).location).toBe('/code');
    });

    it('shows the secret no more once GAuthify has the app, also where its answer was lost', async () => {
      const visitor = await signIn(await register());
      const key = await keyOf(visitor);
      // The application never hears of this right code.
      const users = await firstValueFrom(sample.gauthify.getAllUsers());
      const user = users.find((user) => user.key === key.replaceAll(' ', ''));
      await firstValueFrom(
        sample.gauthify.checkAuth(user!.uniqueId, sample.totp(key)),
      );
      const { html } = await visitor.get('/code');
      expect(html).toContain('Enter your code');
      expect(html).not.toContain('id="key"');
      sample.advance(30);
      const { location } = await visitor.post('/code', {
        code: sample.totp(key),
      });
      expect(location).toBe('/account');
    });

    it('keeps what was typed, but not the password, when something is wrong', async () => {
      const { status, html } = await sample.visitor().post('/register', {
        name: '<jane>',
        password: 'short 7',
        email: 'jane at example',
        phone: '12',
      });
      expect(status).toBe(422);
      expect(html).toContain('value="&lt;jane&gt;"');
      expect(html).toContain('value="jane at example"');
      expect(html).toContain('value="12"');
      expect(html).not.toContain('short 7');
      expect(html).toContain('Choose a name of 1 to 40 letters');
      expect(html).toContain('at least 8 characters.');
      expect(html).toContain('not an e-mail address');
      expect(html).toContain('not a phone number');
    });

    it.each([
      ['password', { name: 'jim', password: '1234567' }],
      ['name', { name: '', password: PASSWORD }],
      ['email', { name: 'jim', password: PASSWORD, email: 'jim@' }],
      ['phone', { name: 'jim', password: PASSWORD, phone: '208 366 1177' }],
    ])('marks the field with a bad %s alone', async (field, fields) => {
      const { status, html } = await sample.visitor().post('/register', fields);
      expect(status).toBe(422);
      expect(html.match(/aria-invalid="true"/g)).toHaveLength(1);
      const problem = new RegExp(`id="${field}-problem">[^<]`);
      expect(html).toMatch(problem);
    });

    it('refuses a name that is taken, in any case of letters', async () => {
      const name = await register();
      const { status, html } = await sample.visitor().post('/register', {
        name: name.toUpperCase(),
        password: 'another password',
      });
      expect(status).toBe(422);
      expect(html).toContain('Somebody has this name already');
      expect(html).toContain(`value="${name.toUpperCase()}"`);
      await signIn(name);
    });

    it('gives a name to one of two who ask at once', async () => {
      const name = newName();
      const answers = await Promise.all(
        [1, 2, 3].map((n) =>
          sample
            .visitor()
            .post('/register', { name, password: `password ${n}` }),
        ),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([
        303, 422, 422,
      ]);
    });

    it.each([
      ['no body', ''],
      ['fields that are lists and objects', 'name[]=a&password[x]=12345678'],
      ['__proto__', '__proto__[name]=jane&password=12345678'],
    ])('answers %s with the form', async (_, body) => {
      const response = await fetch(`${sample.url}/register`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      });
      expect(response.status).toBe(422);
    });
  });

  describe('signing in', () => {
    it('says the same of a wrong password and an unknown name', async () => {
      const name = await register();
      const pages = await Promise.all(
        [name, 'nobody'].map((candidate) =>
          sample
            .visitor()
            .post('/sign-in', { name: candidate, password: 'wrong horse' }),
        ),
      );
      for (const { status, html } of pages) {
        expect(status).toBe(422);
        expect(html).toContain('Name or password is wrong.');
        expect(html).not.toContain('wrong horse');
      }
      expect(pages[0]!.html.replace(name, 'nobody')).toBe(pages[1]!.html);
    });

    it('gives the session another id than the browser came with', async () => {
      const name = await register();
      const visitor = await signIn(name);
      const afterPassword = visitor.sessionId!;
      const key = await keyOf(visitor);
      await visitor.post('/code', { code: sample.totp(key) });
      expect(visitor.sessionId).not.toBe(afterPassword);

      const left = sample.visitor();
      left.sessionId = afterPassword;
      expect((await left.get('/account')).location).toBe('/');
    });

    it('sets a cookie that scripts and other sites cannot use', async () => {
      const name = await register();
      const { headers } = await sample
        .visitor()
        .post('/sign-in', { name, password: PASSWORD });
      const cookie = headers.get('set-cookie');
      expect(cookie).toContain('; HttpOnly');
      expect(cookie).toContain('; SameSite=Strict');
    });

    it('ends with signing out', async () => {
      const { visitor } = await enrol();
      const session = visitor.sessionId!;
      expect((await visitor.get('/account')).status).toBe(200);
      expect((await visitor.post('/sign-out')).location).toBe('/');
      visitor.sessionId = session;
      expect((await visitor.get('/account')).location).toBe('/');
    });
  });

  describe('the second factor', () => {
    it('is asked for before the protected page', async () => {
      const name = await register();
      expect((await sample.visitor().get('/account')).location).toBe('/');
      const visitor = await signIn(name);
      const page = await visitor.get('/account');
      expect(page).toMatchObject({ status: 303, location: '/code' });
      expect(page.html).not.toContain('protected page');
    });

    it('opens the protected page with a right code, to that session alone', async () => {
      const { status, html } = await jane.visitor.get('/account');
      expect(status).toBe(200);
      expect(html).toContain('protected page');
      const other = await signIn(jane.name);
      expect((await other.get('/account')).location).toBe('/code');
    });

    it('never shows the secret of an enrolled account to who has the password', async () => {
      const { name, key } = jane;
      const visitor = await signIn(name);
      const pages = [
        await visitor.get('/code'),
        await visitor.get('/code?sent=sms'),
        await visitor.get('/outbox'),
        await visitor.post('/code', { code: wrongCode(key) }),
        await visitor.post('/code', {}),
        await visitor.post('/code/send', { channel: 'email' }),
        await visitor.post('/code/send', { channel: 'email' }),
      ];
      for (const { html } of pages) {
        expect(html).not.toContain('data:image');
        expect(html).not.toContain('/v1/');
        expect(html.replaceAll(' ', '')).not.toContain(key.replaceAll(' ', ''));
      }
    });

    it('takes a code of the app once', async () => {
      const { name, key } = await enrol();
      const code = sample.totp(key);
      const first = await signIn(name);
      const second = await signIn(name);
      expect((await first.post('/code', { code })).location).toBe('/account');
      const { status, html } = await second.post('/code', { code });
      expect(status).toBe(401);
      expect(html).toContain('wrong or was used before');
    });

    it('says at the form what is wrong with a code', async () => {
      const { name, key } = jane;
      const visitor = await signIn(name);
      const wrong = await visitor.post('/code', { code: wrongCode(key) });
      expect(wrong.status).toBe(401);
      expect(wrong.html).toContain('id="code-problem">That code is wrong');
      expect(wrong.html).toContain('aria-invalid="true"');
      expect(wrong.html).toContain('name="code"');
      expect((await visitor.get('/account')).location).toBe('/code');
    });

    it('counts no attempt for what can be no code', async () => {
      const { name, key } = await enrol();
      const visitor = await signIn(name);
      for (const code of [' ', '12345', '1234567', '12345a', "' OR 1=1 --"]) {
        const { status, html } = await visitor.post('/code', { code });
        expect([code, status]).toEqual([code, 422]);
        expect(html).toContain('id="code-problem">Enter the 6-digit code.');
      }
      await visitor.post('/code', { code: '1'.repeat(10_000) });
      const spaced = sample.totp(key).replace(/^.../, '$& ');
      expect((await visitor.post('/code', { code: spaced })).location).toBe(
        '/account',
      );
    });

    it('shows the QR code again after a wrong first code', async () => {
      const visitor = await signIn(await register());
      const key = await keyOf(visitor);
      const { status, html } = await visitor.post('/code', {
        code: wrongCode(key),
      });
      expect(status).toBe(401);
      expect(html).toContain('src="data:image/svg+xml;base64,');
      expect(html).toContain(key);
    });

    it('makes who guesses wait, and says how long', async () => {
      const { name, key } = await enrol();
      const visitor = await signIn(name);
      const code = wrongCode(key);
      for (let i = 0; i < 5; i++) await visitor.post('/code', { code });
      const right = sample.totp(key);
      const { status, html, headers } = await visitor.post('/code', {
        code: right,
      });
      expect(status).toBe(429);
      expect(html).toMatch(/Too many wrong codes. Try again in \d+ seconds/);
      expect(headers.get('retry-after')).toMatch(/^\d+$/);
      // The guard remembers the wait by its own clock.
      const now = Date.now();
      const clock = jest.spyOn(Date, 'now').mockReturnValue(now + 60_000);
      const later = await visitor.post('/code', { code: sample.totp(key) });
      clock.mockRestore();
      expect(later.location).toBe('/account');
    });
  });

  describe('sent codes', () => {
    /** Has an e-mail address, and no phone. */
    let jim: { name: string; email: string };

    beforeAll(async () => {
      const email = 'jim@example.com';
      jim = { ...(await enrol({ email })), email };
    });

    it.each([
      ['email', EMAIL],
      ['sms', PHONE],
      ['voice', PHONE],
    ])('let in by %s, through the outbox', async (channel, to) => {
      sample.advance(600);
      const visitor = await signIn(jane.name);
      const sent = await visitor.post('/code/send', { channel });
      expect(sent.location).toBe(`/code?sent=${channel}`);
      const { html } = await visitor.get('/outbox');
      expect(html).toContain('Nothing was sent.');
      expect(html).toContain(to.replace('+', ''));
      const code = /\d(?:(?:, )?\d){5}(?= |\.)/.exec(
        html.replaceAll(to, ''),
      )![0];
      const entered = await visitor.post('/code', {
        code: code.replaceAll(', ', ''),
      });
      expect(entered.location).toBe('/account');
    });

    it('are offered for what the account has', async () => {
      const { html } = await (await signIn(jim.name)).get('/code');
      expect(html).toContain('value="email"');
      expect(html).toContain('E-mail it to j…@example.com');
      expect(html).not.toContain('value="sms"');
      expect(html).not.toContain('value="voice"');
    });

    it('come one by one, with the seconds to wait at the form', async () => {
      sample.advance(600);
      const visitor = await signIn(jim.name);
      await visitor.post('/code/send', { channel: 'email' });
      const { status, html } = await visitor.post('/code/send', {
        channel: 'email',
      });
      expect(status).toBe(429);
      expect(html).toMatch(/Ask for another in \d+ seconds/);
      expect(html).toContain('name="code"');
    });

    it('cannot take the place of setting the app up', async () => {
      const name = await register({ email: `${newName()}@example.com` });
      const visitor = await signIn(name);
      await visitor.post('/code/send', { channel: 'email' });
      const { html } = await visitor.get('/outbox');
      expect(html).toContain('There are none yet');
    });

    it('are not sent by ways that do not exist, or to an address there is not', async () => {
      const visitor = await signIn(jim.name);
      const pigeon = await visitor.post('/code/send', { channel: 'pigeon' });
      expect(pigeon.status).toBe(400);
      const sms = await visitor.post('/code/send', { channel: 'sms' });
      expect(sms.html).toContain('No code could be sent this way');
    });

    it('are seen in the outbox by who they are for', async () => {
      sample.advance(600);
      const visitor = await signIn(jim.name);
      await visitor.post('/code/send', { channel: 'email' });
      expect((await visitor.get('/outbox')).html).toContain(jim.email);
      const others = await jane.visitor.get('/outbox');
      expect(others.html).not.toContain(jim.email);
      expect((await sample.visitor().get('/outbox')).location).toBe('/');
    });
  });

  describe('every page', () => {
    it('allows no script, is not stored, and tells nobody where it was', async () => {
      for (const path of ['/account', '/outbox', '/nowhere', '/register']) {
        const { headers } = await jane.visitor.get(path);
        const policy = headers.get('content-security-policy')!;
        expect(policy).toContain("default-src 'none'");
        expect(policy).toContain("frame-ancestors 'none'");
        expect(policy).not.toContain('script-src');
        expect(headers.get('cache-control')).toBe('no-store');
        expect(headers.get('referrer-policy')).toBe('no-referrer');
        expect(headers.has('x-powered-by')).toBe(false);
      }
    });

    it.each<Record<string, string>>([
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'null' },
    ])('takes no form of another site: %j', async (headers) => {
      const { status, html } = await jane.visitor.post(
        '/sign-out',
        {},
        headers,
      );
      expect(status).toBe(403);
      expect(html).toContain('That came from another site');
    });

    it('answers an unknown path with a page', async () => {
      const { status, html } = await sample.visitor().get('/nowhere');
      expect(status).toBe(404);
      expect(html).toContain('There is no such page');
    });
  });

  describe('after a restart', () => {
    it('accounts and their second factor are still there', async () => {
      const { name, key } = await enrol();
      await sample.restart();
      const visitor = await signIn(name);
      expect((await visitor.get('/code')).html).not.toContain('data:image');
      const { location } = await visitor.post('/code', {
        code: sample.totp(key),
      });
      expect(location).toBe('/account');
    });

    it('without the GAuthify database, who was enrolled is not let in, and who was not enrols', async () => {
      const { name, key } = await enrol();
      const fresh = await register();
      await sample.restart(() => {
        for (const file of readdirSync(sample.dataDir))
          if (file.startsWith('gauthify.sqlite'))
            rmSync(join(sample.dataDir, file));
      });

      const visitor = await signIn(name);
      const { status, html } = await visitor.post('/code', {
        code: sample.totp(key),
      });
      expect(status).toBe(403);
      expect(html).toContain('no longer knows this account');
      expect(html).not.toContain('data:image');
      expect((await visitor.get('/account')).location).toBe('/code');

      const other = await signIn(fresh);
      const newKey = await keyOf(other);
      const entered = await other.post('/code', { code: sample.totp(newKey) });
      expect(entered.location).toBe('/account');
    });
  });
});
