/** The ready-made routes of an application whose options come from a factory. */
import 'reflect-metadata';
import type { INestApplication } from '@nestjs/common';
import { afterEach, expect, it } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { GAuthifyModule, type MfaRoutesOption } from 'nestjs-gauthify';
import { refusal, startAccessPoint } from '../helpers/access-point.js';
import { SignInGuard } from './guarded-app.js';

let app: INestApplication;
let closeGAuthify: () => Promise<unknown>;
afterEach(async () => {
  await app.close();
  await closeGAuthify();
});

async function statusOf(
  path: string,
  mfaRoutes: MfaRoutesOption | undefined,
  headers: Record<string, string>,
) {
  const gauthify = await startAccessPoint(refusal(404, 'user_not_found'));
  closeGAuthify = gauthify.close;
  const module = await Test.createTestingModule({
    imports: [
      GAuthifyModule.forRootAsync({
        mfaRoutes,
        useFactory: () => ({ apiKey: 'key', accessPoints: [gauthify.url] }),
      }),
    ],
  }).compile();
  app = module.createNestApplication();
  await app.listen(0, '127.0.0.1');
  const response = await fetch(`${await app.getUrl()}${path}`, { headers });
  return { status: response.status, body: await response.json() };
}

const jane = { 'x-user': 'jane' };
const guards = [SignInGuard];

it.each<[string, MfaRoutesOption]>([
  ['/mfa/status', { guards }],
  ['/second/status', { path: 'second', guards }],
])('mfaRoutes mounts %s, behind its guards', async (path, mfaRoutes) => {
  expect(await statusOf(path, mfaRoutes, jane)).toMatchObject({
    status: 200,
    body: { enrolled: false, methods: [] },
  });
});

it.each<MfaRoutesOption>([true, 'mfa'])(
  'mfaRoutes %j mounts routes that need somebody signed in',
  async (mfaRoutes) => {
    expect(await statusOf('/mfa/status', mfaRoutes, jane)).toMatchObject({
      status: 401,
      body: { code: 'mfa_not_signed_in' },
    });
  },
);

it('mounts no routes without mfaRoutes', async () => {
  expect(await statusOf('/mfa/status', undefined, jane)).toMatchObject({
    status: 404,
  });
});
