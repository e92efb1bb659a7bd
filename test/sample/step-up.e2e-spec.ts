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

describeInBrowser('sample 02 in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  }, 30_000);
  afterAll(() => browser.close());

  it.each([360, 1280])(
    'asks once, remembers, and asks again before a payment, at %i pixels',
    async (width) => {
      const context = await browser.newContext({
        viewport: { width, height: 740 },
      });
      const page: Page = await context.newPage();
      page.setDefaultTimeout(10_000);
      const expectToFit = async () =>
        expect(
          await page.evaluate('document.documentElement.scrollWidth'),
        ).toBeLessThanOrEqual(width);
      const code = (key: string) =>
        new TOTP({ secret: Secret.fromBase32(key) }).generate({
          timestamp: Date.now(),
        });
      const enter = async (typed: string) => {
        await page.getByLabel('6-digit code').fill(typed);
        await page.getByRole('button', { name: 'Confirm' }).click();
      };
      try {
        await page.goto(url);
        await expectToFit();
        await page.getByLabel('Name').fill(`jane-${width}`);
        await page.getByRole('button', { name: 'Sign in' }).click();

        // Nobody enrolled yet: enrol, and what was asked for happens.
        await page.getByRole('button', { name: 'Show payments' }).click();
        const qr = page.locator('#qr');
        await qr.waitFor();
        await page.evaluate('document.getElementById("qr").decode()');
        await expectToFit();
        const {
          data,
          width: w,
          height: h,
        } = PNG.sync.read(await qr.screenshot());
        const { secret } = URI.parse(
          jsQR(new Uint8ClampedArray(data), w, h)!.data,
        );
        expect(
          (await page.locator('#key').innerText()).replaceAll(' ', ''),
        ).toBe(secret.base32);
        await enter('000000');
        await page
          .getByText('The code is wrong, or was used before.')
          .waitFor();
        await enter(code(secret.base32));
        await page.getByText('None yet').waitFor();

        // Remembered: neither looking nor, within the minute, paying asks again.
        await page.getByRole('button', { name: 'Pay 20 €' }).click();
        await page.getByText(`20 € by jane-${width}`).waitFor();
        later(61);
        await page.getByRole('button', { name: 'Show payments' }).click();
        await page.getByText(`20 € by jane-${width}`).waitFor();

        // Too long ago for a payment.
        await page.getByRole('button', { name: 'Pay 20 €' }).click();
        await page.getByLabel('6-digit code').waitFor();
        expect(await page.locator('#qr').isVisible()).toBe(false);
        await expectToFit();
        await enter(code(secret.base32));
        await page
          .locator('li', { hasText: `by jane-${width}` })
          .nth(1)
          .waitFor();
        await page.screenshot({ path: `/tmp/shots/step-up-${width}.png` });
      } finally {
        await context.close();
      }
    },
    40_000,
  );
});
