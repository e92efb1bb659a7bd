import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import {
  afterAll,
  afterEach,
  beforeAll,
  expect,
  it,
  jest,
} from '@jest/globals';
import jsqrModule from 'jsqr';
import { Secret, TOTP, URI } from 'otpauth';
import type { Browser, Page } from 'playwright-core';
import { PNG } from 'pngjs';
import { createApp } from '../../sample/02-step-up/create-app.js';
import { describeInBrowser, startBrowser } from '../helpers/browser.js';
import { freePort } from './running-sample.js';

const jsQR = jsqrModule as unknown as typeof jsqrModule.default;

const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 740 };

let app: INestApplication;
let url: string;
beforeAll(async () => {
  const port = await freePort();
  // `Date.now` at the time of the call: `later` replaces it.
  app = await createApp({ port, now: () => Date.now() });
  await app.listen(port, '127.0.0.1');
  url = `http://127.0.0.1:${port}`;
});
afterAll(() => app.close());
afterEach(() => {
  jest.restoreAllMocks();
});

/** The whole process is so much later. */
function later(seconds: number): void {
  const now = Date.now();
  jest.spyOn(Date, 'now').mockImplementation(() => now + seconds * 1000);
}

it('lets nobody near the payments who is not signed in, or has no second factor', async () => {
  expect((await fetch(`${url}/payments`)).status).toBe(401);
  const signIn = await fetch(`${url}/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"joe"}',
  });
  const cookie = signIn.headers.getSetCookie()[0]!.split(';')[0]!;
  const payments = await fetch(`${url}/payments`, { headers: { cookie } });
  expect(await payments.json()).toMatchObject({
    code: 'mfa_enrollment_required',
  });
});

it('pays an invoice once, and only one there is', async () => {
  const { cookie, key } = await signInWithKey('jim');
  const pay = (invoice: unknown, headers: Record<string, string> = {}) =>
    post('/payments', { invoice }, { cookie, ...headers });
  const code = (step: number) => totp(key, step);
  // The first code enrolled; each payment brings its own.
  expect((await pay('books', { 'x-mfa-code': code(1) })).status).toBe(200);
  later(60);
  expect((await pay('books', { 'x-mfa-code': code(1) })).status).toBe(409);
  later(60);
  expect((await pay('yacht', { 'x-mfa-code': code(1) })).status).toBe(404);
  const response = await fetch(`${url}/invoices`, { headers: { cookie } });
  expect(await response.json()).toEqual([
    expect.objectContaining({ id: 'books', paid: true }),
    expect.objectContaining({ id: 'power', paid: false }),
    expect.objectContaining({ id: 'gym', paid: false }),
  ]);
});

it('ends the session on the server when somebody signs out', async () => {
  const { cookie } = await signInWithKey('jill');
  expect((await post('/sign-out', {}, { cookie })).status).toBe(200);
  const response = await fetch(`${url}/invoices`, { headers: { cookie } });
  expect(response.status).toBe(401);
});

function totp(key: string, step = 0): string {
  const timestamp = Date.now() + step * 30_000;
  return new TOTP({ secret: Secret.fromBase32(key) }).generate({ timestamp });
}

function post(
  path: string,
  body: object,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

/** Somebody who is signed in and enrolled. */
async function signInWithKey(name: string) {
  const signIn = await post('/sign-in', { name });
  const cookie = signIn.headers.getSetCookie()[0]!.split(';')[0]!;
  const enrolment = await post('/mfa/enroll', {}, { cookie });
  const { key } = (await enrolment.json()) as { key: string };
  const code = totp(key);
  const confirmed = await post('/mfa/enroll/confirm', { code }, { cookie });
  expect(confirmed.status).toBe(200);
  return { cookie, key };
}

describeInBrowser('sample 02 in a browser', () => {
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];
  beforeAll(async () => {
    browser = await startBrowser();
  }, 30_000);
  afterAll(() => browser.close());
  afterEach(async () => {
    await page.context().close();
    // What the browser complains of in its console: a policy broken, a file missing.
    expect(complaints.splice(0)).toEqual([]);
  });

  async function open(): Promise<void> {
    page = await (await browser.newContext({ viewport: DESKTOP })).newPage();
    page.setDefaultTimeout(10_000);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 4/.test(message.text()))
        complaints.push(message.text());
    });
    await page.goto(url);
  }

  /** The page fits a phone and a desktop: nobody scrolls sideways. */
  async function expectToFit(): Promise<void> {
    for (const size of [PHONE, DESKTOP]) {
      await page.setViewportSize(size);
      expect(
        await page.evaluate('document.documentElement.scrollWidth'),
      ).toBeLessThanOrEqual(size.width);
    }
  }

  const button = (name: string) => page.getByRole('button', { name });
  const dialog = () => page.getByRole('dialog');

  async function signIn(name: string): Promise<void> {
    await page.getByLabel('Name').fill(name);
    await button('Sign in').click();
    await button('Sign out').waitFor();
  }

  async function enter(code: string): Promise<void> {
    await page.getByLabel('6-digit code').fill(code);
    await button('Confirm').click();
  }

  /** Reads the QR code, and the key beside it. */
  async function scan(): Promise<string> {
    await page.locator('#qr').waitFor();
    await page.evaluate('document.getElementById("qr").decode()');
    const shot = await page.locator('#qr').screenshot();
    const { data, width: w, height: h } = PNG.sync.read(shot);
    const code = jsQR(new Uint8ClampedArray(data), w, h)!;
    const key = URI.parse(code.data).secret.base32;
    const shown = await page.locator('#key').innerText();
    expect(shown.replaceAll(' ', '')).toBe(key);
    return key;
  }

  const focused = () =>
    page.evaluate<string>('document.activeElement.textContent.trim()');

  async function enrol(name: string): Promise<string> {
    await signIn(name);
    await button('Show payments').click();
    const key = await scan();
    await enter(totp(key));
    await page.getByText('Nothing yet').waitFor();
    return key;
  }

  it('asks once, remembers, and asks again before a payment', async () => {
    await open();
    await page.getByLabel('Name').waitFor();
    await expectToFit();
    await signIn('jane');
    await expectToFit();

    // Nobody enrolled yet: enrol, and what was asked for happens.
    await button('Show payments').click();
    const key = await scan();
    await expectToFit();
    const right = totp(key);
    await enter(right === '000000' ? '111111' : '000000');
    await page.getByText('The code is wrong, or was used before.').waitFor();
    expect(
      await page.getByLabel('6-digit code').getAttribute('aria-invalid'),
    ).toBe('true');
    await enter(right);
    await page.getByText('Nothing yet').waitFor();

    // Remembered: neither looking nor, within the minute, paying asks again.
    await button('Pay €42.50 to Corner Bookshop').click();
    await page.getByText('You paid €42.50 to Corner Bookshop.').waitFor();
    expect(await focused()).toBe('You paid €42.50 to Corner Bookshop.');
    later(61);
    await button('Show payments').click();
    await page.getByText('€42.50 to Corner Bookshop, confirmed at').waitFor();

    // Too long ago for a payment: the dialog says which.
    await button('Pay €98.20 to City Power').click();
    await dialog().waitFor();
    expect(await dialog().getByRole('heading').innerText()).toBe(
      'Pay €98.20 to City Power',
    );
    expect(await page.locator('#qr').isVisible()).toBe(false);
    await expectToFit();
    await enter(totp(key));
    await page.getByText('€98.20 to City Power, confirmed at').waitFor();
    expect(await button('Pay €98.20 to City Power').count()).toBe(0);
  }, 40_000);

  it('pays nothing that was cancelled, and puts the focus back', async () => {
    await open();
    const key = await enrol('cate');
    later(61);
    for (const cancel of [
      () => button('Cancel').click(),
      () => page.keyboard.press('Escape'),
    ]) {
      await button('Pay €35.00 to Riverside Gym').click();
      await dialog().waitFor();
      expect(await page.evaluate('document.activeElement.id')).toBe('code');
      await page.keyboard.type(totp(key));
      await cancel();
      await dialog().waitFor({ state: 'hidden' });
      expect(await focused()).toBe('Pay €35.00');
    }
    await button('Show payments').click();
    await page.getByText('Nothing yet').waitFor();
  });

  it('sends no code that cannot be one', async () => {
    await open();
    const key = await enrol('mia');
    later(61);
    await button('Pay €35.00 to Riverside Gym').click();
    const sent: string[] = [];
    page.on('request', (request) => sent.push(request.url()));
    for (const code of ['', '12345', 'abcdef', "' OR 1=1 --"]) {
      await enter(code);
      await page.getByText('Enter the 6-digit code.').waitFor();
    }
    expect(sent).toEqual([]);
    await enter(totp(key).replace(/^.../, '$& '));
    await page.getByText('You paid €35.00 to Riverside Gym.').waitFor();
  });

  it('goes on after a reload, also in the middle of setting up the app', async () => {
    await open();
    await signIn('rita');
    await button('Pay €35.00 to Riverside Gym').click();
    await scan();
    await page.reload();
    await page.getByText('rita').waitFor();
    expect(await dialog().count()).toBe(0);
    // The key is another one, and works.
    await button('Pay €35.00 to Riverside Gym').click();
    await enter(totp(await scan()));
    await page.getByText('You paid €35.00 to Riverside Gym.').waitFor();

    await page.reload();
    await page.getByText('rita').waitFor();
    expect(
      await page.locator('li', { hasText: 'Riverside Gym' }).innerText(),
    ).toBe('Riverside Gym\nPaid');
    // The second factor is remembered, too.
    await button('Show payments').click();
    await page.getByText('€35.00 to Riverside Gym, confirmed at').waitFor();
  });

  it('leaves nothing to see after signing out', async () => {
    await open();
    await enrol('olga');
    await button('Pay €35.00 to Riverside Gym').click();
    await page.getByText('You paid €35.00').waitFor();
    await button('Sign out').click();
    await page.getByLabel('Name').waitFor();
    expect(await page.evaluate('document.activeElement.id')).toBe('name');
    expect(await page.locator('body').innerText()).not.toMatch(/olga|Gym/);
    await page.reload();
    await page.getByLabel('Name').waitFor();
    // Signing in again does not bring the old second factor back.
    await signIn('olga');
    await button('Show payments').click();
    await dialog().waitFor();
  });

  it('asks who is there when the session ended meanwhile', async () => {
    await open();
    await signIn('pia');
    await page.context().clearCookies();
    await button('Show payments').click();
    await page.getByText('You were signed out. Sign in again.').waitFor();
    expect(await page.evaluate('document.activeElement.id')).toBe('name');
  });
});
