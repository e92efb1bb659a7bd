import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { adapter, ADAPTERS, call, createUser } from '../helpers/api.js';

describe.each(ADAPTERS)('an update on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
  });
  afterAll(() => server.close());

  const DETAILS = {
    email: 'a@example.com',
    sms_number: '+19162627232',
    voice_number: '+442083661177',
    meta: { a: 1 },
  };
  const newUser = () =>
    createUser(server, { ...DETAILS, meta: JSON.stringify(DETAILS.meta) });
  const EMPTY = 'display_name=&email=&sms_number=&voice_number=&meta=';
  const NONE = {
    email: null,
    sms_number: null,
    voice_number: null,
    meta: null,
  };

  const put = async (
    unique_id: string,
    query: string,
    body: string,
    type: string,
  ) =>
    await call(server, 'PUT', `users/${unique_id}/${query}`, undefined, {
      body,
      headers: { 'content-type': type },
    });

  it.each([
    [
      'in a form',
      '',
      `${EMPTY}&reset_key=`,
      'application/x-www-form-urlencoded',
    ],
    ['in the query', `?${EMPTY}`, '', 'text/plain'],
    [
      'without =',
      '',
      'email&meta&sms_number',
      'application/x-www-form-urlencoded',
    ],
  ])(
    'leaves fields unchanged that are empty %s',
    async (_, query, body, type) => {
      const user = await newUser();
      const answer = await put(user.unique_id, query, body, type);
      expect([answer.status, answer.body.data]).toEqual([200, user]);
    },
  );

  it.each([
    ['null', NONE],
    ['""', Object.fromEntries(Object.keys(NONE).map((name) => [name, '']))],
  ])('clears fields that are %s in JSON', async (_, changes) => {
    const user = await newUser();
    const answer = await put(
      user.unique_id,
      '',
      JSON.stringify(changes),
      'application/json',
    );
    expect(answer.body.data).toEqual({
      ...user,
      ...NONE,
      // Addresses are gone, and with them what was granted by them.
      epoch: expect.any(String),
    });
  });

  it('refuses an empty display_name in JSON', async () => {
    const user = await newUser();
    const answer = await put(
      user.unique_id,
      '',
      '{"display_name":""}',
      'application/json',
    );
    expect([answer.status, answer.body.error_message]).toEqual([
      406,
      'display_name must not be empty',
    ]);
  });

  it('creates a user without the empty fields', async () => {
    const { body } = await call(server, 'POST', 'users/', {
      unique_id: 'sparse',
      display_name: 'x',
      email: '',
      sms_number: '',
      voice_number: '',
      meta: '',
    });
    expect(body.data).toMatchObject(NONE);
  });
});
