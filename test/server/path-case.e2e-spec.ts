import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { adapter, ADAPTERS, createUser } from '../helpers/api.js';

describe.each(ADAPTERS)('the case of a path on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
  });
  afterAll(() => server.close());

  it('of a user makes no difference, and the id keeps its own', async () => {
    const user = await createUser(server, { unique_id: 'a/B' });
    const url = server.accessPoint.replace('/v1/', '/V1/');
    const headers = { authorization: server.apiKey };
    const show = async (id: string) =>
      (await fetch(`${url}Users/${id}/`, { headers })).json() as Promise<any>;
    expect((await show('a/B')).data).toMatchObject({
      unique_id: user.unique_id,
    });
    expect((await show('A/b')).http_status).toBe(404);
  });

  it('of a call makes no difference to its parameters', async () => {
    const user = await createUser(server);
    const response = await fetch(
      `${server.accessPoint.replace('/v1/', '/V1/')}check/`,
      {
        method: 'POST',
        headers: { authorization: server.apiKey },
        body: new URLSearchParams({
          unique_id: user.unique_id,
          auth_code: server.totp(user.key),
        }),
      },
    );
    expect(((await response.json()) as any).data).toMatchObject({
      authenticated: true,
    });
  });
});
