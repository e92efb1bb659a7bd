#!/usr/bin/env node
import 'reflect-metadata';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';

/** Packages the server needs and the client does not: peers that npm leaves to the user. */
const NEEDED =
  'kysely@0.28 better-sqlite3@12 otpauth qrcode nodemailer @nestjs/platform-fastify';

async function main(): Promise<void> {
  const { NestFactory } = await import('@nestjs/core');
  const { createFastifyAdapter } = await import('./fastify-adapter.js');
  const { ApiKeysService, GAuthifyServerModule, optionsFromEnvironment } =
    await import('./index.js');
  const { host, port, ...options } = optionsFromEnvironment(process.env);
  const app = await NestFactory.create<NestFastifyApplication>(
    GAuthifyServerModule.forRoot(options),
    await createFastifyAdapter(),
    // Until it runs, what goes wrong is told below, in one sentence.
    { abortOnError: false, logger: false },
  );
  app.enableShutdownHooks();
  await app.listen(port, host);
  app.useLogger(['fatal', 'error', 'warn']);
  const firstKey = await app.get(ApiKeysService).createFirst();
  const print = (line: string) => process.stdout.write(`${line}\n`);
  print(`GAuthify server: access point ${await app.getUrl()}/v1/`);
  print(
    `Database ${options.database}; e-mail by ${options.smtp ? 'SMTP' : 'outbox'}, SMS and voice by outbox (GET /v1/outbox/)`,
  );
  if (firstKey !== undefined)
    print(`API key of realm "default", shown this once: ${firstKey}`);
}

main().catch((error: unknown) => {
  process.stderr.write(`gauthify-server: ${sentenceOf(error)}\n`);
  process.exit(1);
});

/** One sentence for what stops the program; the stack only for what nobody foresaw. */
function sentenceOf(error: unknown): string {
  const { name, code, message, stack } = error as NodeJS.ErrnoException;
  if (name === 'StartError') return message;
  if (code === 'EADDRINUSE')
    return 'PORT is in use: stop what listens there, or set another PORT';
  if (code === 'EACCES')
    return 'PORT may not be opened by this user: set one above 1023';
  if (code === 'ENOTFOUND' || code === 'EADDRNOTAVAIL')
    return 'HOST is not an address of this machine';
  if (code === 'ERR_MODULE_NOT_FOUND')
    return `A package the server needs is missing: run npm install ${NEEDED} (${message})`;
  return stack ?? message;
}
