/** That `/openapi.json` is the truth: it is compared with the routes and the answers of a running server. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { CheckResult } from '../../lib/contract/dto/check-result.dto.js';
import {
  GAuthifyFactor,
  NewGAuthifyFactor,
} from '../../lib/contract/dto/gauthify-factor.dto.js';
import { GAuthifyUser } from '../../lib/contract/dto/gauthify-user.dto.js';
import { wireNamesOf } from '../../lib/contract/dto/wire-name.decorator.js';
import { call, createUser, ezToken, wrongCode } from '../helpers/api.js';
import { createFastifyAdapter } from '../../lib/server/v1/fastify-adapter.js';

let server: GAuthifyTestServer;
let document: any;
/** As Fastify was told of them. */
const routes = new Set<string>();
/** Status by operation, as they were seen. */
const seen = new Map<string, Set<number>>();
const failing = { isOn: false };

beforeAll(async () => {
  const adapter = await createFastifyAdapter();
  adapter.getInstance().addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.add(`${one} ${url}`);
  });
  server = await GAuthifyTestServer.start({
    adapter,
    senders: {
      voice: {
        send: async () => {
          if (failing.isOn) throw new Error('The provider is down');
        },
      },
    },
  });
  document = await (await fetch(rootUrl('openapi.json'))).json();
});
afterAll(() => server.close());

const rootUrl = (path: string) => new URL(`/${path}`, server.accessPoint).href;

const operations = (): [name: string, operation: any][] =>
  Object.entries(document.paths as Record<string, object>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(([method, operation]): [string, any] => [
        `${method.toUpperCase()} ${path}`,
        operation,
      ]),
  );

it('is a valid OpenAPI 3.1 document, and its schemas are valid, too', async () => {
  const validator = new Validator();
  const validate = (one: object) =>
    validator.validate(structuredClone(one) as Record<string, unknown>);
  const { valid, errors } = await validate(document);
  expect([valid, errors]).toEqual([true, undefined]);
  expect(validator.version).toBe('3.1');
  const wrong = { ...document, paths: { users: {} } } as object;
  expect(await validate(wrong)).toMatchObject({ valid: false });
});

it('has every route of the server, and no other', () => {
  /** `GET /v1/users/{}`, however its parameter is called, and with or without a slash at the end. */
  const normalized = (route: string) =>
    route
      .replace(/[:{](\w+)\}?/g, '{}')
      .replace(/(?<=\S)\/$|(?<= )$/, (end) => (end === '' ? '/' : ''));
  const registered = [...routes]
    .filter((route) => /^(GET|POST|PUT|DELETE) [^*]*$/.test(route))
    .map(normalized);
  const documented = operations().map(([name]) => normalized(name));
  expect(documented.sort()).toEqual([...new Set(registered)].sort());
  expect(documented.length).toBeGreaterThan(20);
});

it('has the fields of the DTOs that a client reads', () => {
  const { schemas } = document.components;
  const fieldsOf = (type: Function) =>
    wireNamesOf(type).map(([, name]) => name);
  const documentedOf = (name: string) =>
    Object.keys(schemas[name].properties as object);
  const sorted = (names: string[]) => [...names].sort();
  expect(sorted(documentedOf('UserByToken'))).toEqual(
    sorted(fieldsOf(GAuthifyUser)),
  );
  expect(sorted(documentedOf('CheckResult'))).toEqual(
    sorted(fieldsOf(CheckResult)),
  );
  expect(sorted(documentedOf('Factor'))).toEqual(
    sorted(fieldsOf(GAuthifyFactor)),
  );
  expect(documentedOf('NewFactor')).toEqual(
    expect.arrayContaining(fieldsOf(NewGAuthifyFactor)),
  );
});

it('describes every parameter, and how a key is given', () => {
  const parametersOf = ({ parameters, requestBody }: any): [string, any][] => [
    ...parameters.map((one: any) => [one.name, one]),
    ...Object.values((requestBody?.content ?? {}) as object).flatMap(
      ({ schema }: any) => Object.entries(schema.properties as object),
    ),
  ];
  for (const [name, operation] of operations()) {
    for (const [parameter, { description }] of parametersOf(operation))
      expect([name, parameter, description]).toEqual([
        name,
        parameter,
        expect.stringMatching(/\w{3}.*\.$/),
      ]);
    const isApi = name.includes('/v1/') && name.endsWith('/');
    expect(operation.security.flatMap(Object.keys)).toEqual(
      isApi ? ['basic', 'header', 'query'] : [],
    );
    const hasKey = parametersOf(operation).some(
      ([parameter]) => parameter === 'Idempotency-Key',
    );
    expect([name, hasKey]).toEqual([name, isApi && !name.startsWith('GET')]);
  }
});

describe('what the server answers', () => {
  it('is what the document says, with no field more', async () => {
    const user = await createUser(server, {
      email: 'jane@example.com',
      sms_number: '9162627232',
      voice_number: '9162627233',
      meta: '{"plan":"gold"}',
    });
    const id = user.unique_id as string;
    const users = { unique_id: id };
    const path = `users/{${id}}/`;
    const api = (
      method: string,
      template: string,
      params?: Record<string, string>,
      init?: RequestInit,
    ) => recorded(method, template, params, init);

    // Without a key, with a key that is reused, with a parameter that is none.
    for (const [name, { requestBody }] of operations()) {
      const [method, template] = name.split(' ') as [string, string];
      if (!template.startsWith('/v1/') || !template.endsWith('/')) continue;
      const relative = template
        .slice('/v1/'.length)
        .replaceAll('{unique_id}', `{${id}}`);
      await api(method, relative, undefined, {
        headers: { authorization: '' },
      });
      const required = Object.values((requestBody?.content ?? {}) as object)[0]
        ?.schema.required as string[] | undefined;
      if (!required?.length) continue;
      const { status, body } = await api(method, relative, {});
      expect([name, status]).toEqual([name, 406]);
      for (const parameter of required)
        expect(body.error_message).toContain(parameter);
    }

    await api('POST', 'users/', { unique_id: 'new', display_name: 'New' });
    await api('POST', 'users/', { unique_id: 'new', display_name: 'New' });
    await api('GET', 'users/');
    await api('GET', 'users/?page=1&page_size=2');
    await api('GET', 'users/?page=x');
    await api('GET', path);
    await api('GET', 'users/{nobody}/');
    await api('PUT', path, { display_name: 'Jane', email: 'j@example.com' });
    await api('PUT', path, { email: 'x' });
    await api('PUT', 'users/{nobody}/', { display_name: 'x' });

    const code = server.totp(user.key);
    await api('POST', 'check/', { ...users, auth_code: code });
    await api('POST', 'check/', { ...users, auth_code: '12' });
    await api('POST', 'check/', { unique_id: 'nobody', auth_code: code });
    await api('PUT', path, { reset_key: 'true', unless_enrolled: 'true' });
    const { body: current } = await api('GET', path);
    server.advance(60);
    const token = await ezToken(current.data, server.totp(user.key));
    await api('POST', 'token/', { token });
    await api('POST', 'token/', { token });

    for (const channel of ['email', 'sms', 'voice']) {
      await api('POST', `${channel}/`, users);
      await api('POST', `${channel}/`, users);
      await api('POST', `${channel}/`, { unique_id: 'new' });
      await api('POST', `${channel}/`, { unique_id: 'nobody' });
    }
    server.advance(60);
    failing.isOn = true;
    await api('POST', 'voice/', users);

    const { body: factor } = await api('POST', `${path}factors/`, {
      kind: 'totp',
      name: 'Tablet',
    });
    const factorPath = `${path}factors/{${factor.data.id}}/`;
    await api('GET', `${path}factors/`);
    await api('PUT', factorPath, { name: 'Phone' });
    await api('DELETE', factorPath);
    await api('DELETE', factorPath);
    await api('PUT', `${path}factors/{x}/`, { name: 'Phone' });
    const { body: list } = await api('GET', `${path}factors/`);
    await api('DELETE', `${path}factors/{${list.data[0].id}}/`);
    await api('POST', `${path}recovery_codes/`);
    for (const below of ['factors', 'recovery_codes', 'unlock'])
      await api('POST', `users/{nobody}/${below}/`, { kind: 'totp' });

    const wrong = wrongCode(server, user.key);
    for (let guess = 0; guess < 7; guess++)
      await api('POST', 'check/', { ...users, auth_code: wrong });
    await api('POST', `${path}unlock/`);

    const reused = { headers: { 'idempotency-key': 'one' } };
    await api('POST', `${path}unlock/`, undefined, reused);
    await api('POST', 'email/', users, reused);
    await api('GET', 'errors/');
    await api('GET', 'realm/');
    await api('GET', 'outbox/');
    await api('DELETE', path);
    await api('DELETE', path);
    await api('POST', `${path}unlock/`, undefined, reused);

    const owner = await createUser(server);
    for (const page of ['qr', 'ez', 'instructions']) {
      const link = owner[`${page}_url`] as string;
      const [linkId, signature] = link.split('/').slice(-2);
      await recordedPage('GET', `v1/${page}/{${linkId}}/{${signature}}`);
      await recordedPage('GET', `v1/${page}/{${linkId}}/{x}`);
    }
    const [linkId, signature] = owner.ez_url.split('/').slice(-2);
    await recordedPage('POST', `v1/ez/{${linkId}}/{${signature}}`);
    await recordedPage('POST', `v1/ez/{${linkId}}/{x}`);
    await check(owner.unique_id, server.totp(owner.key));
    const [qrId, qrSignature] = owner.qr_url.split('/').slice(-2);
    await recordedPage('GET', `v1/qr/{${qrId}}/{${qrSignature}}`);
    for (const page of [
      '',
      'openapi',
      'openapi.json',
      'healthz/live',
      'healthz/ready',
    ])
      await recordedPage('GET', page);

    // Every operation was seen to succeed.
    for (const [name, { responses }] of operations()) {
      const success = Number(Object.keys(responses as object)[0]);
      expect([name, [...(seen.get(name) ?? [])]]).toEqual([
        name,
        expect.arrayContaining([success]),
      ]);
    }
    const statuses = new Set([...seen.values()].flatMap((some) => [...some]));
    expect([...statuses].sort()).toEqual([
      200, 201, 401, 402, 404, 406, 409, 410, 500,
    ]);
  });

  const check = (unique_id: string, auth_code: string) =>
    call(server, 'POST', 'check/', { unique_id, auth_code });

  /** Calls the API. `users/{jane}/` stands for `users/{unique_id}/` with the id `jane`. */
  async function recorded(
    method: string,
    template: string,
    params?: Record<string, string>,
    init?: RequestInit,
  ) {
    const path = template.replace(/[{}]/g, '');
    const answer = await call(server, method, path, params, init);
    const name = operationOf(method, `/v1/${template.split('?')[0]}`);
    return validated(name, answer.status, answer.body, answer);
  }

  /** Calls a route without an API key. */
  async function recordedPage(method: string, template: string): Promise<void> {
    const path = template.replace(/[{}]/g, '');
    const response = await fetch(rootUrl(path), { method });
    const type = response.headers.get('content-type')!.split(';')[0]!;
    const body: unknown =
      type === 'application/json'
        ? await response.json()
        : await response.text();
    const name = operationOf(method, `/${template}`);
    note(name, response.status);
    const declared = responsesOf(name)[response.status];
    expect([name, response.status, declared]).toEqual([
      name,
      response.status,
      expect.anything(),
    ]);
    if (!declared.content) return;
    expect(Object.keys(declared.content as object)).toEqual([type]);
    if (type === 'application/json') validated(name, response.status, body);
  }

  /** The operation in the document whose path has these parts, whatever its parameters are called. */
  function operationOf(method: string, template: string): string {
    const shape = (path: string) => path.replace(/\{[^}]*\}/g, '{}');
    const found = operations().find(
      ([name]) => shape(name) === shape(`${method} ${template}`),
    );
    if (!found) throw new Error(`The document has no ${method} ${template}`);
    return found[0];
  }

  const responsesOf = (name: string): any =>
    operations().find(([other]) => other === name)![1].responses;

  function note(name: string, status: number): void {
    seen.set(name, (seen.get(name) ?? new Set()).add(status));
  }

  function validated<T extends { body: any; status: number }>(
    name: string,
    status: number,
    body: unknown,
    answer?: T,
  ): T {
    note(name, status);
    const [method, path] = name.split(' ') as [string, string];
    const pointer = ['paths', path, method.toLowerCase(), 'responses', status]
      .concat('content', 'application/json', 'schema')
      .map((part) => String(part).replaceAll('/', '~1'))
      .join('/');
    const validate = validator().getSchema(
      `openapi#/${pointer.replaceAll('{', '%7B').replaceAll('}', '%7D')}`,
    );
    expect([name, status, typeof validate]).toEqual([name, status, 'function']);
    void validate!(body);
    expect([name, status, validate!.errors, validate!.errors && body]).toEqual([
      name,
      status,
      null,
      null,
    ]);
    return answer!;
  }

  let ajv: Ajv2020 | undefined;
  /** Of the document, with objects that have no fields but theirs. */
  function validator(): Ajv2020 {
    if (ajv) return ajv;
    ajv = withFormats(new Ajv2020({ strict: false, allErrors: true }));
    const closed = JSON.parse(JSON.stringify(document), (_, value) =>
      value?.properties && value.required && !value.error_message
        ? { ...value, additionalProperties: false }
        : value,
    ) as object;
    ajv.addSchema(closed, 'openapi');
    return ajv;
  }
});

it('is shown as a page with every operation', async () => {
  const response = await fetch(rootUrl('openapi'));
  const page = await response.text();
  expect(response.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; style-src 'sha256-/,
  );
  for (const [name] of operations()) expect(page).toContain(name);
  expect(page).not.toMatch(/undefined|\[object|&amp;lt;/);
});

function withFormats(ajv: Ajv2020): Ajv2020 {
  (addFormats as unknown as (ajv: Ajv2020) => void)(ajv);
  return ajv;
}
