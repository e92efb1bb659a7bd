import 'reflect-metadata';
import { existsSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { describeSenders, undelivered } from '../delivery/create-senders.js';
import { GAuthifyServerModule } from '../gauthify-server.module.js';
import { MetricsListener } from '../observability/metrics-listener.js';
import { ApiKeysService } from '../realms/api-keys.service.js';
import { isPostgres, sqliteFile } from '../settings/database-url.js';
import type { Environment } from '../settings/environment-values.js';
import {
  optionsFromEnvironment,
  unknownVariables,
} from '../settings/environment.js';
import type { GAuthifyServerOptions } from '../settings/server.options.js';
import { DATABASE, type Database } from '../store/database.js';
import { keyFileOf } from '../store/key-file.js';
import { createFastifyAdapter } from '../v1/fastify-adapter.js';
import { loadKeyProvider } from './load-key-provider.js';
import { createLogs } from './logs.js';
import { closeOnSignals } from './shutdown.js';

/**
 * Starts the server, and says what it uses.
 *
 * @returns once it listens
 */
export async function serve(env: Environment): Promise<void> {
  for (const sentence of unknownVariables(env))
    process.stderr.write(`gauthify-server: warning: ${sentence}\n`);
  const { host, port, log, shutdown, ...options } = optionsFromEnvironment(
    env,
    await loadKeyProvider(env),
  );
  const { logger, onRequest, print } = await createLogs(log);
  const isNew = isNewFile(options.database!);
  const app = await NestFactory.create<NestFastifyApplication>(
    GAuthifyServerModule.forRoot({ ...options, onRequest, standalone: true }),
    await createFastifyAdapter(),
    // Logs are held back until the server runs, and dropped if it does not start:
    // then one sentence says why.
    { abortOnError: false, bufferLogs: true, autoFlushLogs: false },
  );
  await app.listen(port, host);
  closeOnSignals(app, shutdown, print);
  app.useLogger(logger);
  Logger.flush();
  // A key that is printed must not end up in a log.
  const firstKey =
    log.format === 'json'
      ? undefined
      : await app.get(ApiKeysService).createFirst();
  print(`GAuthify server: access point ${await app.getUrl()}/v1/`);
  print(
    `Database ${app.get<Database>(DATABASE).description}${isNew ? ', new' : ''}; ${shownSenders(options)}`,
  );
  const lost = undelivered(options);
  if (lost) new Logger('GAuthifyServer').warn(lost);
  const { url: metrics } = app.get(MetricsListener);
  if (metrics !== undefined) print(`Metrics at ${metrics}`);
  sayWhereKeysAre(options, print);
  if (firstKey !== undefined)
    print(`API key of realm "default", shown only this once: ${firstKey}`);
  else await sayWhichKeysExist(app, options, print);
}

/** A start somewhere else than usual begins with an empty database, and nobody would know. */
function isNewFile(url: string): boolean {
  const file = isPostgres(url) ? undefined : sqliteFile(url);
  return file !== undefined && file !== ':memory:' && !existsSync(file);
}

/** "e-mail by SMTP, SMS and voice by outbox (GET /v1/outbox/)" */
export function shownSenders(options: GAuthifyServerOptions): string {
  const { email, sms, voice } = describeSenders(options);
  const numbers =
    sms === voice
      ? `SMS and voice by ${sms}`
      : `SMS by ${sms}, voice by ${voice}`;
  const hasOutbox = [email, sms, voice].includes('outbox');
  return `e-mail by ${email}, ${numbers}${hasOutbox ? ' (GET /v1/outbox/)' : ''}`;
}

function sayWhereKeysAre(
  { encryptionKeys, keyProvider, database }: GAuthifyServerOptions,
  print: (line: string) => void,
): void {
  const keyFile =
    keyProvider || encryptionKeys?.length ? undefined : keyFileOf(database!);
  if (keyFile !== undefined)
    print(
      `Encryption key in ${keyFile}: back it up, apart from the database: its secrets cannot be read without the key`,
    );
}

async function sayWhichKeysExist(
  app: NestFastifyApplication,
  options: GAuthifyServerOptions,
  print: (line: string) => void,
): Promise<void> {
  const realms = await app.get(ApiKeysService).storedRealms();
  if (realms.length > 0)
    print(
      `API keys exist for realm ${realms.join(', ')}; a key is shown only once, when it is created. If it is lost, make another one: gauthify-server key create ${realms[0]}`,
    );
  else if (!options.apiKeys?.length)
    new Logger('GAuthifyServer').warn(
      'There is no API key: run gauthify-server key create default, or set GAUTHIFY_API_KEYS',
    );
}
