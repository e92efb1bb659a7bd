import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import jsqrModule from 'jsqr';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { URI } from 'otpauth';
import { PNG } from 'pngjs';
import {
  adapter,
  ADAPTERS,
  call,
  check,
  createUser,
  wrongCode,
} from '../helpers/api.js';

const jsQR = jsqrModule as unknown as typeof jsqrModule.default;

/** What the QR code in a PNG says. */
function scan(png: Buffer): string | undefined {
  const { data, width, height } = PNG.sync.read(png);
  return jsQR(new Uint8ClampedArray(data), width, height)?.data;
}

const enter = (url: string, auth_code: string) =>
  fetch(url, {
    method: 'POST',
    body: new URLSearchParams({ auth_code }),
    redirect: 'manual',
  });

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
      const grouped = user.key.match(/.{4}/g).join(' ');
      const before = await (await fetch(user[url])).text();
      expect(before).toContain(grouped);
      expect(before).toContain('&lt;script&gt;');
      expect(before).not.toContain('<script');
      expect(before).toContain('src="data:image/svg+xml;base64,');

      await check(server, user.unique_id, server.totp(user.key));
      const after = await (await fetch(user[url])).text();
      expect(after).not.toContain(grouped);
      expect(after).not.toContain('data:image');
    },
  );

  it('a right code on ez_url gives a token, once', async () => {
    const user = await createUser(server);
    const response = await enter(user.ez_url, server.totp(user.key));
    expect(response.status).toBe(200);
    const [token] = /gat[A-Z2-7]{32}/.exec(await response.text())!;
    expect(
      (await call(server, 'POST', 'token/', { token })).body.data.unique_id,
    ).toBe(user.unique_id);
    expect(
      await (await enter(user.ez_url, server.totp(user.key))).text(),
    ).not.toContain('gat');
  });

  it('sends the browser to the realm’s return URL', async () => {
    const user = await shopUser();
    const response = await enter(user.ez_url, server.totp(user.key));
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
        await enter(user.ez_url, wrongCode(server, user.key))
      ).text();
      expect(page).toContain('That code is not right');
    }
    const page = await (await enter(user.ez_url, server.totp(user.key))).text();
    expect(page).toContain('Try again in 5 seconds');
    expect(
      await check(server, user.unique_id, server.totp(user.key)),
    ).toMatchObject({ http_status: 402 });
  });

  it.each([{}, { auth_code: '' }, { auth_code: '1'.repeat(65) }])(
    'asks again for %j',
    async (form) => {
      const user = await createUser(server);
      const response = await fetch(user.ez_url, {
        method: 'POST',
        body: new URLSearchParams(form as Record<string, string>),
      });
      expect(await response.text()).toContain(
        'Enter the code your authenticator app shows',
      );
    },
  );

  it('forbids scripts, and framing but by those configured', async () => {
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
    expect(ez).not.toContain('script-src');
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

  it('does not open another user’s page', async () => {
    const [jane, joe] = [await createUser(server), await createUser(server)];
    const signature = jane.ez_url.split('/').at(-1);
    expect((await fetch(joe.ez_url.replace(/[^/]+$/, signature))).status).toBe(
      404,
    );
  });

  it('closes with the key', async () => {
    const user = await createUser(server);
    await call(server, 'PUT', `users/${user.unique_id}/`, { reset_key: '1' });
    for (const url of [user.qr_url, user.ez_url, user.instructions_url])
      expect((await fetch(url)).status).toBe(404);
  });
});
