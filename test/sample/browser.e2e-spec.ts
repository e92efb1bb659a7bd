import 'reflect-metadata';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  expect,
  it,
} from '@jest/globals';
import jsqrModule from 'jsqr';
import { URI } from 'otpauth';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { PNG } from 'pngjs';
import { describeInBrowser, startBrowser } from '../helpers/browser.js';
import { RunningSample } from './running-sample.js';

const jsQR = jsqrModule as unknown as typeof jsqrModule.default;

const PASSWORD = 'correct horse battery';
const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 740 };

/** What the QR code on the page says, read from what the page looks like. */
async function scan(page: Page): Promise<string> {
  const { data, width, height } = PNG.sync.read(
    await page.locator('img.qr').screenshot(),
  );
  return jsQR(new Uint8ClampedArray(data), width, height)!.data;
}

describeInBrowser('the sample in a browser', () => {
  let browser: Browser;
  let sample: RunningSample;
  let context: BrowserContext;
  let page: Page;
  const complaints: string[] = [];

  beforeAll(async () => {
    browser = await startBrowser();
  }, 30_000);
  afterAll(() => browser.close());
  beforeEach(async () => {
    sample = await RunningSample.start();
  });
  afterEach(async () => {
    await context.close();
    await sample.stop();
    // What the browser complains of in its console: a policy broken, a file missing.
    expect(complaints.splice(0)).toEqual([]);
  });

  async function open(): Promise<void> {
    context = await browser.newContext({ viewport: PHONE });
    page = await context.newPage();
    page.setDefaultTimeout(10_000);
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      // Every answer of 400 and above is one; the pages tell the person themselves.
      if (message.type() === 'error' && !/status of 4/.test(message.text()))
        complaints.push(message.text());
    });
    await page.goto(sample.url);
  }

  /** The page fits a phone and a desktop: nobody scrolls sideways. */
  async function expectToFit(): Promise<void> {
    for (const size of [DESKTOP, PHONE]) {
      await page.setViewportSize(size);
      expect(
        await page.evaluate('document.documentElement.scrollWidth'),
      ).toBeLessThanOrEqual(size.width);
    }
  }

  async function register(name: string): Promise<void> {
    await page.getByRole('link', { name: 'Create one' }).click();
    await expectToFit();
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByLabel('E-mail').fill(`${name}@example.com`);
    await page.getByLabel('Phone').fill('+447911123456');
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.waitForURL('**/code');
  }

  async function signIn(name: string): Promise<void> {
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL('**/code');
  }

  async function enter(code: string): Promise<void> {
    await page.getByLabel('6-digit code').fill(code);
    await page.getByRole('button', { name: 'Confirm' }).click();
  }

  const expectProtectedPage = () =>
    page.getByText('This is the protected page').waitFor();

  it('is walked through: register, scan, enter, and come back with a code sent in each way', async () => {
    await open();
    await expectToFit();
    await register('jane');
    await expectToFit();

    // Without the code there is no protected page.
    await page.goto(`${sample.url}/account`);
    expect(new URL(page.url()).pathname).toBe('/code');

    const totp = URI.parse(await scan(page));
    expect(totp.issuer).toBe('GAuthify sample');
    const key = totp.secret.base32;
    await page.getByText('Can’t scan it?').click();
    expect((await page.locator('#key').innerText()).replaceAll(' ', '')).toBe(
      key,
    );
    await expectToFit();

    const right = sample.totp(key);
    await enter(right === '000000' ? '111111' : '000000');
    await page.getByText('That code is wrong').waitFor();
    await expectToFit();
    await enter(right);
    await expectProtectedPage();
    await expectToFit();

    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.goto(`${sample.url}/account`);
    expect(new URL(page.url()).pathname).toBe('/');

    const ways = [
      ['Text it to', 'Text message'],
      ['E-mail it to', 'E-mail'],
      ['Call', 'Call'],
    ] as const;
    for (const [button, kind] of ways) {
      await signIn('jane');
      // The secret is not shown again.
      expect(await page.locator('img.qr').count()).toBe(0);
      expect(await page.content()).not.toContain(key);
      // The code that was used before does not work again.
      await enter(right);
      await page.getByText('That code is wrong').waitFor();
      await page.getByRole('button', { name: button }).click();
      await page
        .getByRole('main')
        .getByRole('link', { name: 'outbox' })
        .click();
      await page.getByText('Nothing was sent.').waitFor();
      await expectToFit();
      const message = page.getByRole('article').filter({
        has: page.getByRole('heading', { name: new RegExp(`^${kind} to`) }),
      });
      const text = await message.getByRole('paragraph').first().innerText();
      const code = /\d(?:(?:, )?\d){5}/.exec(text)![0].replaceAll(', ', '');
      await page.getByRole('link', { name: 'Enter a code' }).click();
      await enter(code);
      await expectProtectedPage();
      await page.getByRole('button', { name: 'Sign out' }).click();
    }
  }, 60_000);

  it('is used with the keyboard alone', async () => {
    await open();
    const type = (text: string) => page.keyboard.type(text);
    const press = (key: string) => page.keyboard.press(key);
    // Browsers do as `autofocus` says with the first frame, after they loaded.
    const focused = (id: string) =>
      page.waitForFunction(`document.activeElement.id === '${id}'`);

    await page.getByRole('link', { name: 'Create one' }).focus();
    await press('Enter');
    await page.waitForURL('**/register');
    await focused('name');
    await type('joe');
    await press('Tab');
    await type(PASSWORD);
    await press('Enter');
    await page.waitForURL('**/code');
    const { secret } = URI.parse(await scan(page));
    await focused('code');
    await type(sample.totp(secret.base32));
    await press('Enter');
    await expectProtectedPage();
  }, 30_000);

  it('keeps accounts over a restart', async () => {
    await open();
    await register('ann');
    const { secret } = URI.parse(await scan(page));
    await enter(sample.totp(secret.base32));
    await expectProtectedPage();
    // All of it: a style sheet that is on its way would be cut off.
    await page.waitForLoadState();
    await sample.restart();
    await page.goto(sample.url);
    await signIn('ann');
    expect(await page.locator('img.qr').count()).toBe(0);
    sample.advance(30);
    await enter(sample.totp(secret.base32));
    await expectProtectedPage();
  }, 30_000);
});
