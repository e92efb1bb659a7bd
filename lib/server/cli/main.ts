#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { namingVariables, unknownVariables } from '../settings/environment.js';
import type { Database } from '../store/database.js';
import { missingPackage } from './missing-package.js';

const USAGE = `Usage: gauthify-server [--help] [--version]

A self-hosted GAuthify v1 server. Environment variables configure it:

  HOST, PORT                 where it listens (127.0.0.1, 4000)
  PUBLIC_URL                 where browsers reach it (http://HOST:PORT)
  DATABASE_URL               sqlite:<file>, sqlite::memory: or postgres://… (sqlite:gauthify.sqlite)
  GAUTHIFY_API_KEYS          realm:key, separated by commas (one is created at the first start)
  GAUTHIFY_ENCRYPTION_KEYS   id:base64, newest first (a key file beside the SQLite file; required with PostgreSQL)
  GAUTHIFY_ISSUER            name shown in authenticator apps (GAuthify)
  GAUTHIFY_RETURN_URLS       realm=url, separated by commas (none)
  GAUTHIFY_FRAME_ANCESTORS   origins that may frame the ezGAuth page (none)
  GAUTHIFY_KEEP_QR_URL       true: qr_url still shows the secret after its first right code (false)
  GAUTHIFY_WHILE_LOCKED      what check/ answers while a user has to wait: error or false (error)
  SMTP_URL, MAIL_FROM        mail server and sender (messages go to the outbox)
  METRICS_PORT, METRICS_HOST where Prometheus reads metrics (none, 127.0.0.1)
  METRICS_REALMS             true: metrics by realm (false)
  LOG_FORMAT                 text or json (text)
  LOG_LEVEL                  error, warn, info (a line for each request) or debug (warn)
  SHUTDOWN_DELAY_SECONDS     how long it accepts requests after SIGTERM, while it is not ready (0)
  SHUTDOWN_TIMEOUT_SECONDS   how long requests may take after that (10)
`;

const print = (line: string) => process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const { help, version } = readArguments();
  if (help) process.stdout.write(USAGE);
  else if (version) print(ownVersion());
  else await serve();
}

async function serve(): Promise<void> {
  // Every package is loaded here, so that an error can name a missing one.
  await import('reflect-metadata');
  const { Logger } = await import('@nestjs/common');
  const { NestFactory } = await import('@nestjs/core');
  const { createFastifyAdapter } = await import('../v1/fastify-adapter.js');
  const { ApiKeysService, GAuthifyServerModule, optionsFromEnvironment } =
    await import('../index.js');
  const { keyFileOf } = await import('../store/key-file.js');
  const { DATABASE } = await import('../store/database.js');
  const { MetricsListener } =
    await import('../observability/metrics-listener.js');
  const { createLogs } = await import('./logs.js');
  const { closeOnSignals } = await import('./shutdown.js');
  for (const sentence of unknownVariables(process.env))
    process.stderr.write(`gauthify-server: warning: ${sentence}\n`);
  const { host, port, log, shutdown, ...options } = optionsFromEnvironment(
    process.env,
  );
  const { logger, onRequest, print } = await createLogs(log);
  const app = await NestFactory.create<NestFastifyApplication>(
    GAuthifyServerModule.forRoot({ ...options, onRequest, standalone: true }),
    await createFastifyAdapter(),
    // Logs are held back until the server runs, and dropped if it does not start:
    // then one sentence below says why.
    { abortOnError: false, bufferLogs: true, autoFlushLogs: false },
  );
  await app.listen(port, host);
  closeOnSignals(app, shutdown);
  app.useLogger(logger);
  Logger.flush();
  const apiKeys = app.get(ApiKeysService);
  // A key that is printed must not end up in a log.
  const firstKey =
    log.format === 'json' ? undefined : await apiKeys.createFirst();
  print(`GAuthify server: access point ${await app.getUrl()}/v1/`);
  print(
    `Database ${app.get<Database>(DATABASE).description}; e-mail by ${options.smtp ? 'SMTP' : 'outbox'}, SMS and voice by outbox (GET /v1/outbox/)`,
  );
  const { url: metrics } = app.get(MetricsListener);
  if (metrics !== undefined) print(`Metrics at ${metrics}`);
  const keyFile = options.encryptionKeys?.length
    ? undefined
    : keyFileOf(options.database!);
  if (keyFile !== undefined)
    print(
      `Encryption key in ${keyFile}: back it up, apart from the database: its secrets cannot be read without the key`,
    );
  if (firstKey !== undefined) {
    print(`API key of realm "default", shown only this once: ${firstKey}`);
    return;
  }
  const realms = await apiKeys.storedRealms();
  if (realms.length > 0)
    print(
      `API keys exist for realm ${realms.join(', ')}; a key is shown only once, when it is created. If it is lost, add a key of 16 or more characters: GAUTHIFY_API_KEYS=${realms[0]}:<key>`,
    );
  else if (!options.apiKeys?.length)
    new Logger('GAuthifyServer').warn(
      'There is no API key: set GAUTHIFY_API_KEYS, or start once with LOG_FORMAT=text, which creates one and prints it',
    );
}

function readArguments(): { help?: boolean; version?: boolean } {
  try {
    return parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean', short: 'v' },
      },
    }).values;
  } catch (error) {
    const argument = /'([^']+)'/.exec((error as Error).message)?.[1];
    process.stderr.write(
      `gauthify-server: there is no argument ${argument}; see gauthify-server --help\n`,
    );
    process.exit(2);
  }
}

function ownVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string })
    .version;
}

main().catch((error: unknown) => {
  process.stderr.write(`gauthify-server: ${sentenceOf(error)}\n`);
  process.exit(1);
});

/** One sentence for an expected error; the stack for any other. */
function sentenceOf(error: unknown): string {
  const { name, code, message, stack, port } =
    error as NodeJS.ErrnoException & { port?: number };
  if (name === 'StartError') return namingVariables(message);
  if (code === 'EADDRINUSE')
    return `PORT ${port} is in use: stop the program that listens there, or set another PORT`;
  if (code === 'EACCES')
    return `PORT ${port} may not be opened by this user: set a PORT above 1023`;
  if (code === 'ENOTFOUND' || code === 'EADDRNOTAVAIL')
    return `HOST must be an address of this machine, but is "${process.env.HOST}"`;
  return missingPackage(error, 'The server') ?? stack ?? message;
}
