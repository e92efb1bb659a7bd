import 'reflect-metadata';
import { ConsoleLogger } from '@nestjs/common';
import { createApp } from './create-app.js';
import { readEnvironment, urlOf } from './environment.js';

async function main(): Promise<void> {
  const options = readEnvironment(process.env);
  const app = await createApp(options);
  app.enableShutdownHooks();
  await app.listen(options.port, options.host);
  app.useLogger(new ConsoleLogger({ logLevels: ['fatal', 'error', 'warn'] }));
  process.stdout.write(`GAuthify sample: open ${urlOf(options)}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`GAuthify sample: ${sentenceOf(error)}\n`);
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
  return stack ?? message;
}
