import 'reflect-metadata';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import jsqrModule from 'jsqr';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { URI } from 'otpauth';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { PNG } from 'pngjs';
import { adapter, check, createUser, wrongCode } from '../helpers/api.js';
import { describeInBrowser, startBrowser } from '../helpers/browser.js';

const jsQR = jsqrModule as unknown as typeof jsqrModule.default;

const ISSUER = 'My Bank & Söhne';

/** How much the border of an input stands out from the card [WCAG 2.2, 1.4.11]. */
const BORDER_CONTRAST = `(() => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const of = (selector, property) =>
    luminance(getComputedStyle(document.querySelector(selector))[property]);
  const [low, high] = [
    of('input', 'borderTopColor'),
    of('main', 'backgroundColor'),
  ].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
})()`;

describeInBrowser('the pages of the server in a browser', () => {
  let browser: Browser;
  let server: GAuthifyTestServer;
  let context: BrowserContext | undefined;
  let page: Page;
  const complaints: string[] = [];
  const requests: string[] = [];

  beforeAll(async () => {
    browser = await startBrowser();
    server = await GAuthifyTestServer.start({
      adapter: await adapter('fastify'),
      issuer: ISSUER,
    });
  }, 30_000);
  afterAll(async () => {
    await browser.close();
    await server.close();
  });
  afterEach(async () => {
    await context?.close();
    // What the browser complains of in its console: a policy broken, a file missing.
    expect(complaints.splice(0)).toEqual([]);
  });

  async function open(
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<void> {
    await context?.close();
    context = await browser.newContext(options);
    page = await context.newPage();
    page.setDefaultTimeout(10_000);
    requests.splice(0);
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 4/.test(message.text()))
        complaints.push(message.text());
    });
  }

  const clipboard = () =>
    page.evaluate<string>('navigator.clipboard.readText()');

  async function scan(): Promise<URI> {
    const shot = await page.locator('img.qr').screenshot();
    const { data, width, height } = PNG.sync.read(shot);
    const code = jsQR(new Uint8ClampedArray(data), width, height)!;
    return URI.parse(code.data);
  }

  it.each(['light', 'dark'] as const)(
    'fit a phone and a desktop, with visible borders, in the %s scheme',
    async (colorScheme) => {
      const user = await createUser(server, {
        display_name: `a-very-long-name-${'x'.repeat(100)}@example.com`,
      });
      const urls = [
        user.ez_url,
        user.instructions_url,
        `${user.ez_url}x`,
        new URL('/openapi', user.ez_url).href,
      ];
      for (const width of [360, 1280]) {
        await open({ colorScheme, viewport: { width, height: 740 } });
        for (const url of urls) {
          await page.goto(url);
          if (await page.locator('summary').count())
            await page.locator('summary').click();
          expect(
            await page.evaluate('document.documentElement.scrollWidth'),
          ).toBeLessThanOrEqual(width);
        }
        await page.goto(user.ez_url);
        expect(await page.evaluate(BORDER_CONTRAST)).toBeGreaterThanOrEqual(3);
      }
    },
    40_000,
  );

  it.each(['light', 'dark'] as const)(
    'show a QR code that a phone can read in the %s scheme, and make no other request',
    async (colorScheme) => {
      const user = await createUser(server, { display_name: 'Jäne: Doe' });
      await open({ colorScheme });
      await page.goto(user.instructions_url);
      expect(await scan()).toMatchObject({
        issuer: ISSUER,
        secret: expect.objectContaining({ base32: user.key }),
        digits: 6,
        period: 30,
        algorithm: 'SHA1',
      });
      expect(requests.filter((url) => !url.startsWith('data:'))).toEqual([
        user.instructions_url,
      ]);
    },
  );

  it('copy the key without spaces when the keyboard is used', async () => {
    const user = await createUser(server);
    await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await page.goto(user.instructions_url);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Copy key' }).waitFor();
    // The key itself is no stop.
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('status').getByText('Copied').waitFor();
    expect(await clipboard()).toBe(user.key);
  });

  it('copy even if the clipboard API is denied, as in a frame on another site', async () => {
    const user = await createUser(server);
    const site = await frameOf(user.instructions_url);
    try {
      await open({ permissions: ['clipboard-read'] });
      await page.goto(
        `http://localhost:${(site.address() as AddressInfo).port}`,
      );
      const frame = page.frameLocator('iframe');
      await frame.locator('summary').click();
      await frame.getByRole('button', { name: 'Copy key' }).click();
      await frame.getByRole('status').getByText('Copied').waitFor();
      await page.bringToFront();
      await page.locator('h1').click();
      expect(await clipboard()).toBe(user.key);
      // What the browser says of the refused way; the other one worked.
      expect(complaints.filter((it) => !/clipboard/i.test(it))).toEqual([]);
      complaints.splice(0);
    } finally {
      site.closeAllConnections();
      site.close();
    }
  });

  it('show no copy button without scripts, and select the key with one click', async () => {
    const user = await createUser(server);
    await open({ javaScriptEnabled: false });
    await page.goto(user.instructions_url);
    await page.locator('summary').click();
    expect(await page.getByRole('button', { name: 'Copy key' }).count()).toBe(
      0,
    );
    await page.locator('#key').click();
    expect(await page.evaluate('getSelection().toString()')).toBe(user.key);
  });

  it('lead from a wrong code to the token with the keyboard alone', async () => {
    const user = await createUser(server);
    await open({ permissions: ['clipboard-read', 'clipboard-write'] });
    await page.goto(user.ez_url);
    const focused = () =>
      page.waitForFunction("document.activeElement.id === 'auth_code'");
    await focused();
    await page.keyboard.type(wrongCode(server, user.key));
    await page.keyboard.press('Enter');
    const field = page.getByRole('textbox', {
      name: 'Code from your authenticator app',
      description: /That code is wrong/,
    });
    await field.waitFor();
    expect(await field.getAttribute('aria-invalid')).toBe('true');
    await focused();
    await page.keyboard.type(server.totp(user.key));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Confirmed' }).waitFor();
    await page.getByRole('button', { name: 'Copy token' }).press('Enter');
    await page.getByRole('status').getByText('Copied').waitFor();
    expect(await clipboard()).toMatch(/^gat[A-Z2-7]{32}$/);
  });

  it('ask an enrolled user for a code and nothing else', async () => {
    const user = await createUser(server, { display_name: 'Jane' });
    await check(server, user.unique_id, server.totp(user.key));
    await open();
    await page.goto(user.ez_url);
    await page
      .getByRole('heading', { name: 'Confirm that it’s you' })
      .waitFor();
    expect(await page.locator('img').count()).toBe(0);
  });
});

/** Another site, which has a page of ours in a frame. */
async function frameOf(url: string): Promise<Server> {
  const site = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(
      `<!doctype html><link rel=icon href=data:,><h1>Site</h1>
       <iframe src="${url}" width="600" height="900"></iframe>`,
    );
  }).listen(0, '127.0.0.1');
  await new Promise((listening) => site.once('listening', listening));
  return site;
}
