import 'reflect-metadata';
import { ConsoleLogger } from '@nestjs/common';
import { createApp } from './create-app.js';

async function main(): Promise<void> {
  const port = Number(process.env.PORT || '3000');
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw new Error('PORT must be a number from 1 to 65535');
  const app = await createApp({ port });
  app.enableShutdownHooks();
  await app.listen(port, '127.0.0.1');
  app.useLogger(new ConsoleLogger({ logLevels: ['fatal', 'error', 'warn'] }));
  process.stdout.write(`Step-up sample: open http://127.0.0.1:${port}\n`);
}

main().catch(({ code, message }: NodeJS.ErrnoException) => {
  const sentence =
    code === 'EADDRINUSE'
      ? 'PORT is in use: stop what listens there, or set another PORT'
      : message;
  process.stderr.write(`Step-up sample: ${sentence}\n`);
  process.exit(1);
});
