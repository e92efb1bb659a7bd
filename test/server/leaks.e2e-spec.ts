/**
 * That nothing the server writes about itself holds a secret, a code, a key, a
 * token, an address or a number: every route is used with each, rightly and
 * wrongly, and then all that was written is searched for all of them.
 */
import 'reflect-metadata';
import { randomBytes, randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { Logger } from '@nestjs/common';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { sql } from 'kysely';
import {
  DeliveryUnknownError,
  type Message,
  type RequestReport,
} from 'nestjs-gauthify/server';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { createLogs } from '../../lib/server/cli/logs.js';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { AuditTrail } from '../../lib/server/audit/audit-trail.js';
import { MetricsListener } from '../../lib/server/observability/metrics-listener.js';
import { ezToken } from '../helpers/api.js';
import { MailServer } from '../helpers/mail-server.js';
import {
  createPostgres,
  describeWith,
  encryptionKeys,
} from '../helpers/postgres.js';

const exporter = new InMemorySpanExporter();
beforeAll(() => {
  context.setGlobalContextManager(
    new AsyncLocalStorageContextManager().enable(),
  );
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({
      spanProcessors: [new SimpleSpanProcessor(exporter)],
    }),
  );
});
afterAll(() => {
  trace.disable();
  context.disable();
});

/** Values that must not be found, by what they are. */
class Secrets {
  private readonly values = new Map<string, string>();

  /** @returns the value */
  add<Value extends string>(kind: string, value: Value): Value {
    const digits = value.replace(/\D/g, '');
    const forms = [
      value,
      encodeURIComponent(value),
      Buffer.from(`:${value}`).toString('base64'),
      // A number, however it is written.
      ...(/^\+?[\d ()-]{10,}$/.test(value) ? [digits, digits.slice(-10)] : []),
    ];
    for (const form of forms) this.values.set(form, kind);
    return value;
  }

  /** What a text holds of them. Digits as a whole number: six of them are also a part of many another. */
  foundIn(text: string): string[] {
    return [...this.values]
      .filter(([value]) =>
        /^\d+$/.test(value)
          ? new RegExp(`(?<![\\w.])${value}(?!\\w)`).test(text)
          : text.includes(value),
      )
      .map(([value, kind]) => `${kind}: ${value}`);
  }

  get kinds(): string[] {
    return [...new Set(this.values.values())];
  }
}

const aWord = () => randomBytes(12).toString('hex');
const anAddress = () => `${aWord()}@example.com`;
const aNumber = () => `+1916262${randomInt(1000, 9999)}`;

const postgres = await createPostgres();

leaks(describe, 'SQLite', 'sqlite::memory:');
leaks(describeWith(postgres), 'PostgreSQL', postgres.url!);

function leaks(
  describeThis: typeof describe | typeof describe.skip,
  name: string,
  database: string,
): void {
  describeThis(`on ${name}`, () => {
    const secrets = new Secrets();
    const written = { logs: '', errors: '' };
    const reports: RequestReport[] = [];
    let server: GAuthifyTestServer;
    let mailServer: MailServer;
    let failure: ((message: Message) => Error) | undefined;

    /** All that the server writes about itself. */
    const SOURCES: Record<string, () => string | Promise<string>> = {
      logs: () => written.logs,
      'error bodies': () => written.errors,
      reports: () => JSON.stringify(reports),
      // Without the values of the samples, which are any number.
      metrics: async () =>
        (
          await (await fetch(server.app.get(MetricsListener).url!)).text()
        ).replaceAll(/ [^ ]+$/gm, ''),
      spans: () =>
        JSON.stringify(
          exporter
            .getFinishedSpans()
            .map(({ name, attributes, events, status }) => [
              name,
              attributes,
              events.map((event) => [event.name, event.attributes]),
              status,
            ]),
        ),
      'audit log': async () => {
        const rows = [];
        const trail = server.app.get(AuditTrail);
        for (const realm of await trail.realms())
          for await (const row of trail.export(realm, {})) rows.push(row);
        return JSON.stringify(rows);
      },
    };

    beforeAll(async () => {
      exporter.reset();
      const write = (line: string) => (written.logs += line);
      const { logger, onRequest } = await createLogs(
        { format: 'json', level: 'debug' },
        { write },
      );
      mailServer = await MailServer.start(
        () => failure && `550 refused ${[...people].join(' ')}`,
      );
      const keys = encryptionKeys();
      for (const { key } of keys) secrets.add('encryption key', key);
      if (URL.canParse(database) && new URL(database).password)
        secrets.add('database password', new URL(database).password);
      const send = async (message: Message) => {
        remember(message);
        if (failure) throw failure(message);
      };
      const smtp = new URL(mailServer.url);
      smtp.username = aWord();
      smtp.password = secrets.add('SMTP password', aWord());
      server = await GAuthifyTestServer.start({
        database,
        encryptionKeys: keys,
        smtp: { url: smtp.href, from: 'codes@example.com' },
        senders: { sms: { send }, voice: { send } },
        metrics: { port: 0, realms: true },
        onRequest: (report) => {
          reports.push(report);
          onRequest!(report);
        },
      });
      server.app.useLogger(logger);
      secrets.add('API key', server.apiKey);
    }, 60_000);
    afterAll(async () => {
      Logger.overrideLogger(false);
      await server.close();
      await mailServer.close();
    });

    /** Addresses and ids, for those who refuse to say them. */
    const people = new Set<string>();
    const person = (kind: string, value: string) => {
      people.add(value);
      return secrets.add(kind, value);
    };

    function remember({ text }: Message): void {
      const code = /\d(?:(?:, )?\d){5}/.exec(text)?.[0].replaceAll(', ', '');
      if (code) secrets.add('sent code', code);
    }

    /** Calls a path; an error is kept. */
    async function call(
      method: string,
      path: string,
      params?: Record<string, string> | string,
      headers: Record<string, string> = { authorization: server.apiKey },
    ): Promise<any> {
      const response = await fetch(new URL(path, server.accessPoint), {
        method,
        headers,
        redirect: 'manual',
        ...(params !== undefined && {
          body:
            typeof params === 'string' ? params : new URLSearchParams(params),
        }),
      });
      const body = await response.text();
      if (response.status >= 400) written.errors += `${body}\n`;
      return body.startsWith('{') ? (JSON.parse(body) as unknown) : body;
    }

    async function newUser(): Promise<any> {
      const { data } = await call('POST', 'users/', {
        // What many sites use as an id.
        unique_id: person('unique_id', anAddress()),
        display_name: person('display_name', aWord()),
        email: person('e-mail address', anAddress()),
        sms_number: person('SMS number', aNumber()),
        voice_number: person('voice number', aNumber()),
        meta: JSON.stringify({ note: person('meta', aWord()) }),
      });
      secrets.add('TOTP secret', data.key as string);
      secrets.add('otpauth URI', data.otpauth_uri as string);
      secrets.add('one-time pass', data.otp as string);
      for (const link of ['qr_url', 'ez_url', 'instructions_url'])
        secrets.add('link', (data[link] as string).split('/').at(-1)!);
      return data;
    }

    const code = (user: any) =>
      secrets.add('TOTP code', server.totp(user.key as string));
    const pathOf = (user: any) =>
      `users/${encodeURIComponent(user.unique_id as string)}/`;

    /** Bytes that are no HTTP, or that Node refuses. */
    async function raw(bytes: string): Promise<void> {
      const { hostname, port } = new URL(server.accessPoint);
      const socket = connect(Number(port), hostname);
      socket.on('data', (data) => (written.errors += String(data)));
      socket.on('error', () => undefined);
      socket.write(bytes);
      await new Promise((resolve) => socket.once('close', resolve));
    }

    it('uses every route, rightly', async () => {
      const user = await newUser();
      const { unique_id } = user;
      await call('GET', 'users/');
      await call('GET', `users/?after=${encodeURIComponent(unique_id)}`);
      await call('GET', pathOf(user));
      await call('POST', 'check/', { unique_id, auth_code: code(user) });
      await call('POST', 'check/', { unique_id, auth_code: user.otp });
      for (const channel of ['email', 'sms', 'voice'])
        await call('POST', `${channel}/`, { unique_id });
      for (const mail of mailServer.mails)
        remember({ text: mail.source } as Message);
      const { data: factor } = await call('POST', `${pathOf(user)}factors/`, {
        kind: 'totp',
        name: person('name of a factor', aWord()),
      });
      secrets.add('TOTP secret', factor.key as string);
      const factorPath = `${pathOf(user)}factors/${factor.id}/`;
      await call('GET', `${pathOf(user)}factors/`);
      await call('PUT', factorPath, { name: person('name', aWord()) });
      await call('DELETE', factorPath);
      const { data } = await call('POST', `${pathOf(user)}recovery_codes/`);
      for (const recovery of data.recovery_codes as string[])
        secrets.add('recovery code', recovery);
      await call('POST', 'check/', {
        unique_id,
        auth_code: data.recovery_codes[0] as string,
      });
      await call('POST', `${pathOf(user)}unlock/`);
      await call('GET', 'errors/');
      await call('GET', 'realm/');
      await call('GET', 'outbox/');
      server.advance(60);
      const { data: current } = await call('GET', pathOf(user));
      const token = secrets.add('token', await ezToken(current, code(user)));
      await call('POST', 'token/', { token });
      await call('GET', current.ez_url);
      await call('GET', current.qr_url);
      await call('GET', current.instructions_url);
      await call('GET', '/');
      await call('GET', '/openapi');
      await call('GET', '/openapi.json');
      await call('PUT', pathOf(user), {
        reset_key: 'true',
        email: person('e-mail address', anAddress()),
      });
      await call('DELETE', pathOf(user));
    });

    it('uses them wrongly, with secrets where they do not belong', async () => {
      const user = await newUser();
      const { unique_id } = user;
      const key = secrets.add('wrong API key', aWord());
      const token = secrets.add(
        'wrong token',
        `gat${'A'.repeat(20)}${aWord()}`,
      );
      for (const authorization of [
        key,
        `Bearer ${key}`,
        `Basic ${btoa(`${key}:`)}`,
        `Basic ${btoa(`:${key}`)}`,
      ])
        await call('GET', pathOf(user), undefined, { authorization });
      await call('GET', `users/?api_key=${key}`, undefined, {});
      await call('GET', 'users/', undefined, { 'x-api-key': key });

      const wrong = secrets.add('wrong code', String(randomInt(1e7, 1e8)));
      for (let guess = 0; guess < 7; guess++)
        await call('POST', 'check/', { unique_id, auth_code: wrong });
      await call('POST', user.ez_url, { auth_code: wrong });
      await call('GET', `${user.ez_url}x`);
      await call('POST', 'token/', { token });
      await call('POST', 'users/', { unique_id, display_name: 'again' });
      const address = person('malformed address', `${aWord()}@@example`);
      for (const params of [
        { unique_id, email: address },
        { unique_id, auth_code: wrong.repeat(9) },
        { unique_id: unique_id.repeat(9) as string, auth_code: wrong },
        { unique_id: person('unknown user', anAddress()), auth_code: wrong },
        { unique_id, sms_number: `${aNumber()}x`, voice_number: address },
      ] as Record<string, string>[])
        for (const path of ['check/', 'email/', 'sms/', 'voice/', 'users/'])
          await call('POST', path, params);
      await call('PUT', pathOf(user), { meta: `{"a":"${token}"` });
      await call('PUT', pathOf(user), { email: address });
      const json = {
        authorization: server.apiKey,
        'content-type': 'application/json',
      };
      await call('POST', 'check/', `{"auth_code":"${wrong}"`, json);
      await call(
        'POST',
        'check/',
        `{"unique_id":{"${unique_id}":"${wrong}"}}`,
        json,
      );
      await call('POST', 'check/', `unique_id=${unique_id}&unique_id=${wrong}`);
      await call('POST', `check/${unique_id}/${wrong}/?token=${token}`);
      await call('GET', `/${unique_id}/${wrong}?api_key=${server.apiKey}`);
      await call('GET', `${pathOf(user)}factors/${token}/`);
      await call('PUT', `${pathOf(user)}factors/${token}/`, { name: wrong });
      for (const path of [user.qr_url, user.instructions_url] as string[])
        await call('GET', `${path.slice(0, -3)}AAA`);
      const headers = `authorization: ${server.apiKey}\r\n`;
      await raw(
        `GET /v1/users/${unique_id}/\xff HTTP/1.1\r\n${headers}connection: close\r\n\r\n`,
      );
      await raw(`GET /v1/ HTTP/1.1\r\nx: ${wrong.repeat(9000)}\r\n\r\n`);
      await raw(`${unique_id} ${wrong} ${server.apiKey}\r\n\r\n`);
    });

    it('sends, where the providers repeat in their errors what they were given', async () => {
      const user = await newUser();
      const { unique_id } = user;
      const says = ({ to, text }: Message) => new Error(`${to} ${text}`);
      const failures: ((message: Message) => Error)[] = [
        says,
        (message) =>
          new DeliveryUnknownError(`${message.to}`, { cause: says(message) }),
        (message) => Object.assign(says(message), { code: 'EREFUSED' }),
      ];
      for (failure of failures) {
        server.advance(3600);
        for (const channel of ['email', 'sms', 'voice'])
          await call('POST', `${channel}/`, { unique_id });
      }
      failure = undefined;
    });

    it('fails in the database, with a stack in its log', async () => {
      const user = await newUser();
      const { unique_id } = user;
      const { unit } = server.app.get<Database>(DATABASE);
      const rename = (from: string, to: string) =>
        unit.call(server.app.get<Database>(DATABASE), ({ db }) =>
          sql`alter table ${sql.table(from)} rename to ${sql.table(to)}`.execute(
            db,
          ),
        );
      for (const table of ['factors', 'sends', 'tokens']) {
        await rename(table, 'gone');
        await call('POST', 'check/', { unique_id, auth_code: code(user) });
        await call('GET', pathOf(user));
        await call('GET', 'users/');
        await call('PUT', pathOf(user), { email: anAddress() });
        await call('POST', 'sms/', { unique_id });
        await call('POST', 'token/', { token: `gat${'A'.repeat(32)}` });
        await call('GET', user.ez_url);
        await rename('gone', table);
      }
      expect(written.logs).toMatch(/"level":"error"[^\n]*request_id/);
    });

    it('has used every route, and every kind of secret', async () => {
      const document = await call('GET', '/openapi.json');
      const documented = Object.entries(document.paths as object).flatMap(
        ([path, methods]) =>
          Object.keys(methods as object).map(
            (method) =>
              `${method.toUpperCase()} ${path.replace(/(.)\/$/, '$1').replaceAll(/\{\w+\}/g, '{}')}`,
          ),
      );
      const used = reports.map(
        ({ method, route }) => `${method} ${route.replaceAll(/:\w+/g, '{}')}`,
      );
      // Probes are not reported.
      const unused = documented.filter((route) => !used.includes(route));
      expect(unused).toEqual(['GET /healthz/live', 'GET /healthz/ready']);
      expect(secrets.kinds).toEqual(
        expect.arrayContaining([
          'API key',
          'encryption key',
          'TOTP secret',
          'TOTP code',
          'one-time pass',
          'recovery code',
          'sent code',
          'token',
          'link',
          'e-mail address',
          'SMS number',
        ]),
      );
    });

    it.each(Object.keys(SOURCES))('no secret is in the %s', async (source) => {
      const text = await SOURCES[source]!();
      expect(text).toMatch(
        {
          logs: /"route":"\/v1\/check"/,
          'error bodies': /"error_code":"too_many_attempts"/,
          reports: /"route":"\/v1\/check"/,
          metrics: /gauthify_checks_total\{outcome="accepted",method="totp"/,
          spans: /POST \/v1\/check/,
          'audit log': /"action":"check"/,
        }[source]!,
      );
      expect(secrets.foundIn(text)).toEqual([]);
    });

    it('would find one', () => {
      expect(secrets.foundIn(`the key ${server.apiKey}.`)).toEqual([
        `API key: ${server.apiKey}`,
      ]);
      expect(
        secrets.foundIn(`header Basic ${btoa(`:${server.apiKey}`)}`),
      ).toHaveLength(1);
    });
  });
}
