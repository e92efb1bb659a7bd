/** qr_url shows a secret: how long, how often, and what is kept of it. */
import 'reflect-metadata';
import {
  afterEach,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { QrImages } from '../../lib/server/pages/qr-images.js';
import { adapter, ADAPTERS, call, check, createUser } from '../helpers/api.js';

const png = async (response: Response) =>
  Buffer.from(await response.arrayBuffer());

describe.each(ADAPTERS)('qr_url on %s', (name) => {
  let server: GAuthifyTestServer;
  const start = async (keepQrUrl?: boolean) => {
    server = await GAuthifyTestServer.start({
      adapter: await adapter(name),
      keepQrUrl,
    });
  };
  beforeEach(() => start());
  afterEach(() => server.close());

  it('stops working after the first right code of its secret', async () => {
    const user = await createUser(server);
    expect((await fetch(user.qr_url)).status).toBe(200);
    await check(server, user.unique_id, '00000000');
    // A one-time pass says nothing about the app.
    await check(server, user.unique_id, user.otp);
    expect((await fetch(user.qr_url)).status).toBe(200);
    await check(server, user.unique_id, server.totp(user.key));
    const gone = await fetch(user.qr_url);
    expect(gone.status).toBe(410);
    expect(gone.headers.get('cache-control')).toBe('no-store');
    expect(gone.headers.get('content-type')).toMatch(/^text\/plain/);
    expect(await gone.text()).toBe(
      'This QR code has been used, and is not shown again.',
    );
  });

  it('shows the next secret at the next URL, until its first right code', async () => {
    const user = await createUser(server);
    await check(server, user.unique_id, server.totp(user.key));
    const { body } = await call(server, 'PUT', `users/${user.unique_id}/`, {
      reset_key: 'true',
      keep_enrolled: 'true',
    });
    expect((await fetch(user.qr_url)).status).toBe(404);
    expect((await fetch(body.data.qr_url)).status).toBe(200);
    await check(server, user.unique_id, server.totp(body.data.key));
    expect((await fetch(body.data.qr_url)).status).toBe(410);
  });

  it('keeps working if keepQrUrl is set', async () => {
    await server.close();
    await start(true);
    const user = await createUser(server);
    await check(server, user.unique_id, server.totp(user.key));
    expect((await fetch(user.qr_url)).status).toBe(200);
  });

  it('is drawn anew when the name changes', async () => {
    const user = await createUser(server);
    const before = await png(await fetch(user.qr_url));
    expect(await png(await fetch(user.qr_url))).toEqual(before);
    await call(server, 'PUT', `users/${user.unique_id}/`, {
      display_name: 'Another name',
    });
    expect(await png(await fetch(user.qr_url))).not.toEqual(before);
  });

  it('is shown as often as it is requested', async () => {
    const user = await createUser(server);
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => fetch(user.qr_url)),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(
      new Set([200]),
    );
  });

  it.each(['ez_url', 'instructions_url'])(
    'and %s are each drawn only once, for any number of requests',
    async (page) => {
      const user = await createUser(server);
      const images = server.app.get<{ draw: () => void }>(QrImages);
      const draw = jest.spyOn(images, 'draw');
      for (let i = 0; i < 5; i += 1) {
        expect(await (await fetch(user[page])).text()).toContain('image/svg');
        expect((await fetch(user.qr_url)).status).toBe(200);
      }
      expect(draw.mock.calls.map(([kind]: unknown[]) => kind)).toEqual([
        'svg',
        'png',
      ]);
    },
  );
});

describe('drawings', () => {
  let now: number;
  let images: QrImages;
  let drawn: number;
  beforeEach(() => {
    now = 0;
    drawn = 0;
    images = new QrImages(() => now);
  });
  const get = (key: string) =>
    images.get('png', key, () => {
      drawn += 1;
      return `otpauth://totp/${key}`;
    });

  it('are made once a minute, also for simultaneous requests', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => get('a')));
    expect(new Set(all).size).toBe(1);
    expect(drawn).toBe(1);
    now += 60_000;
    await get('a');
    expect(drawn).toBe(2);
  });

  it('are cached only for the most recent links', async () => {
    class FewImages extends QrImages {
      protected override readonly capacity = 2;
    }
    images = new FewImages(() => now);
    for (const key of ['a', 'b', 'c']) await get(key);
    await get('c');
    await get('b');
    expect(drawn).toBe(3);
    await get('a');
    expect(drawn).toBe(4);
  });

  it('of the two kinds are cached separately', async () => {
    const svg = await images.get('svg', 'a', () => 'otpauth://totp/a');
    expect(svg.toString()).toMatch(/^<svg/);
    expect((await get('a')).subarray(1, 4).toString()).toBe('PNG');
  });

  it('are dropped when they must not be shown again', async () => {
    await get('a');
    images.forget('a');
    await get('a');
    expect(drawn).toBe(2);
  });
});
