import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import jsqrModule from 'jsqr';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { URI } from 'otpauth';
import { PNG } from 'pngjs';
import { Links } from '../../lib/server/users/links.js';
import {
  adapter,
  ADAPTERS,
  call,
  check,
  createUser,
  enterOnEzPage,
  wrongCode,
} from '../helpers/api.js';

const jsQR = jsqrModule as unknown as typeof jsqrModule.default;

/** What the QR code in a PNG says. */
function scan(png: Buffer): string | undefined {
  const { data, width, height } = PNG.sync.read(png);
  return jsQR(new Uint8ClampedArray(data), width, height)?.data;
}

const withoutTags = (page: string) => page.replace(/<[^>]*>/g, '');

describe.each(ADAPTERS)('the pages on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
      issuer: 'My Bank',
      apiKeys: [{ realm: 'shop', key: 's'.repeat(32) }],
      returnUrls: { shop: 'https://shop.example.com/return?from=mfa' },
      frameAncestors: ['https://shop.example.com'],
    });
  });
  afterAll(() => server.close());

  const shopUser = async () => {
    const init = { headers: { authorization: 's'.repeat(32) } };
    const params = { unique_id: crypto.randomUUID(), display_name: 'Jane' };
    return (await call(server, 'POST', 'users/', params, init)).body.data;
  };

  it('qr_url is a PNG with the user’s secret', async () => {
    const user = await createUser(server, { display_name: 'Jane: <b>' });
    const response = await fetch(user.qr_url);
    expect(response.headers.get('content-type')).toMatch(/^image\/png/);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const totp = URI.parse(scan(Buffer.from(await response.arrayBuffer()))!);
    expect(totp).toMatchObject({
      issuer: 'My Bank',
      digits: 6,
      period: 30,
      algorithm: 'SHA1',
    });
    expect(totp.secret.base32).toBe(user.key);
  });

  it.each(['ez_url', 'instructions_url'])(
    '%s shows the secret until a first code was right',
    async (url) => {
      const user = await createUser(server, {
        display_name: '<script>alert(1)</script>',
      });
      const before = await (await fetch(user[url])).text();
      expect(withoutTags(before)).toContain(user.key);
      expect(before).toContain('&lt;script&gt;alert(1)');
      expect(before).not.toContain('<script>alert(1)');
      expect(before).toContain('src="data:image/svg+xml;base64,');

      await check(server, user.unique_id, server.totp(user.key));
      const after = await (await fetch(user[url])).text();
      expect(withoutTags(after)).not.toContain(user.key);
      expect(after).not.toContain('<img');
    },
  );

  it.each(['ez_url', 'instructions_url'])(
    '%s says whose account it is, and of which service, before and after enrolment',
    async (url) => {
      const user = await createUser(server, { display_name: 'Jane Doe' });
      const before = await (await fetch(user[url])).text();
      await check(server, user.unique_id, server.totp(user.key));
      const after = await (await fetch(user[url])).text();
      for (const page of [before, after]) {
        expect(page).toContain('<p class="brand">My Bank</p>');
        expect(page).toContain('Account: Jane Doe');
      }
    },
  );

  it('every page contains its icon, so that browsers do not request one', async () => {
    const user = await createUser(server);
    for (const url of [user.ez_url, user.instructions_url, `${user.ez_url}x`])
      expect(await (await fetch(url)).text()).toContain(
        '<link rel="icon" href="data:image/svg+xml,',
      );
  });

  it('instructions show the QR code in the step that scans it', async () => {
    const user = await createUser(server);
    const page = await (await fetch(user.instructions_url)).text();
    const steps = page.split('<li>').slice(1);
    expect(steps).toHaveLength(3);
    expect(steps[1]).toContain('scan this QR code');
    expect(steps[1]).toContain('<img');
  });

  it('instructions do not tell an enrolled user to set up an app', async () => {
    const user = await createUser(server);
    await check(server, user.unique_id, server.totp(user.key));
    const page = await (await fetch(user.instructions_url)).text();
    expect(page).toContain('Your authenticator app is set up');
    expect(page).not.toContain('Install');
  });

  it('a right code on ez_url gives a token, once', async () => {
    const user = await createUser(server);
    const response = await enterOnEzPage(user, server.totp(user.key));
    expect(response.status).toBe(200);
    const page = await response.text();
    expect(page).toContain('My Bank');
    expect(page).toContain(`Account: ${user.display_name}`);
    const [token] = /gat[A-Z2-7]{32}/.exec(page)!;
    expect(
      (await call(server, 'POST', 'token/', { token })).body.data.unique_id,
    ).toBe(user.unique_id);
    expect(
      await (await enterOnEzPage(user, server.totp(user.key))).text(),
    ).not.toContain('gat');
  });

  it('sends the browser to the realm’s return URL', async () => {
    const user = await shopUser();
    const response = await enterOnEzPage(user, server.totp(user.key));
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toMatch(
      /^https:\/\/shop\.example\.com\/return\?from=mfa&token=gat[A-Z2-7]{32}$/,
    );
    expect(response.headers.get('referrer-policy')).toBe('no-referrer');
  });

  it('counts wrong codes on ez_url like all others', async () => {
    const user = await createUser(server);
    for (let i = 0; i < 5; i++) {
      const page = await (
        await enterOnEzPage(user, wrongCode(server, user.key))
      ).text();
      expect(page).toContain('That code is wrong or has already been used');
    }
    const page = await (
      await enterOnEzPage(user, server.totp(user.key))
    ).text();
    expect(page).toContain('Try again in 5 seconds');
    expect(
      await check(server, user.unique_id, server.totp(user.key)),
    ).toMatchObject({ http_status: 402 });
  });

  it.each([
    {},
    { auth_code: '' },
    { auth_code: '12345' },
    { auth_code: '1234567' },
    { auth_code: '１２３４５６' },
    { auth_code: "' OR 1=1 --" },
    { auth_code: '1'.repeat(65) },
  ])('asks again after %j, without counting an attempt', async (form) => {
    const user = await createUser(server);
    for (let i = 0; i < 6; i++) {
      const response = await fetch(user.ez_url, {
        method: 'POST',
        body: new URLSearchParams(form as Record<string, string>),
      });
      expect(await response.text()).toContain(
        'Enter the 6-digit code from your authenticator app',
      );
    }
    const response = await enterOnEzPage(user, server.totp(user.key));
    expect(await response.text()).toContain('Confirmed');
  });

  it('accepts a code with the space that apps show in it', async () => {
    const user = await createUser(server);
    const code = server.totp(user.key).replace(/^.../, '$& ');
    expect(await (await enterOnEzPage(user, code)).text()).toContain(
      'Confirmed',
    );
  });

  it('shows next to the field what is wrong with the code', async () => {
    const user = await createUser(server);
    const form = (page: string) => /<form[^]*<\/form>/.exec(page)![0];
    const first = form(await (await fetch(user.ez_url)).text());
    expect(first).toContain('aria-invalid="false"');
    const page = await (
      await enterOnEzPage(user, wrongCode(server, user.key))
    ).text();
    expect(form(page)).toContain('aria-invalid="true"');
    expect(form(page)).toContain('aria-describedby="auth_code-problem"');
    expect(form(page)).toMatch(/id="auth_code-problem">\s*That code is wrong/);
    expect(page).toMatch(/<title>\s*Error: /);
  });

  it('allows only the script of the copy button, and framing by the configured origins', async () => {
    const user = await shopUser();
    const policy = async (url: string) => {
      const { headers } = await fetch(url);
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      return headers.get('content-security-policy')!;
    };
    const ez = await policy(user.ez_url);
    expect(ez).toContain("default-src 'none'");
    expect(ez).not.toContain('unsafe');
    const page = await (await fetch(user.ez_url)).text();
    const scripts = [...page.matchAll(/<script>([^]*?)<\/script>/g)];
    expect(scripts).toHaveLength(1);
    const hash = createHash('sha256').update(scripts[0]![1]!).digest('base64');
    expect(ez).toContain(`script-src 'sha256-${hash}';`);
    expect(ez).toContain('frame-ancestors https://shop.example.com');
    expect(ez).toContain("form-action 'self' https://shop.example.com");
    expect(await policy(user.instructions_url)).toContain('frame-ancestors *');
  });

  it.each([
    [
      'another page’s signature',
      (user: any) => user.instructions_url.replace('/instructions/', '/qr/'),
    ],
    ['a shortened signature', (user: any) => user.ez_url.slice(0, -1)],
    ['no signature', (user: any) => user.qr_url.replace(/\/[^/]+$/, '')],
    [
      'an unknown user',
      (user: any) =>
        user.ez_url.replace(/ez\/[^/]+/, `ez/${crypto.randomUUID()}`),
    ],
    ['markup', (user: any) => `${user.ez_url}%3Cscript%3E`],
  ])('does not open with %s', async (_, change) => {
    const response = await fetch(change(await createUser(server)));
    expect(response.status).toBe(404);
    expect(await response.text()).not.toContain('<script');
  });

  it('answers a link that does not open with a page that says what to do', async () => {
    const { ez_url } = await createUser(server);
    const response = await fetch(ez_url.slice(0, -1));
    expect(response.headers.get('content-security-policy')).toContain(
      "frame-ancestors 'none'",
    );
    const page = await response.text();
    expect(page).toContain('<p class="brand">My Bank</p>');
    expect(page).toContain('This link does not work');
    expect(page).toContain('Ask the site that gave it to you for a new one');
  });

  it('answers an internal error with a page that reveals nothing about it', async () => {
    const { ez_url } = await createUser(server);
    const allows = jest.spyOn(server.app.get(Links), 'allows');
    allows.mockImplementationOnce(() => {
      throw new Error('the disk is full');
    });
    const response = await fetch(ez_url);
    expect(response.status).toBe(500);
    const page = await response.text();
    expect(page).toContain('Something went wrong');
    expect(page).not.toContain('disk');
    allows.mockRestore();
  });

  it('does not open another user’s page', async () => {
    const [jane, joe] = [await createUser(server), await createUser(server)];
    const signature = jane.ez_url.split('/').at(-1);
    expect((await fetch(joe.ez_url.replace(/[^/]+$/, signature))).status).toBe(
      404,
    );
  });

  it('stops working when the key is reset', async () => {
    const user = await createUser(server);
    await call(server, 'PUT', `users/${user.unique_id}/`, { reset_key: '1' });
    for (const url of [user.qr_url, user.ez_url, user.instructions_url])
      expect((await fetch(url)).status).toBe(404);
  });
});
