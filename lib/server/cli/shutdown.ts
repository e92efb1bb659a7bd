import { setTimeout as sleep } from 'node:timers/promises';
import { type INestApplication, Logger } from '@nestjs/common';
import { Readiness } from '../health/readiness.js';
import type { ShutdownTimes } from '../settings/program-environment.js';

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;

/**
 * Ends the program on a signal: `/healthz/ready` answers 503 at once, requests are
 * accepted for `delayMs` more, and those that were accepted are answered within
 * `timeoutMs`. A second signal ends it at once.
 *
 * Exits with 0 if every request was answered, otherwise with 1.
 */
export function closeOnSignals(
  app: INestApplication,
  { delayMs, timeoutMs }: ShutdownTimes,
  print: (line: string) => void,
): void {
  let isClosing = false;
  const close = async (signal: string) => {
    if (isClosing) process.exit(1);
    isClosing = true;
    print(`${signal}: finishing the requests that were accepted`);
    app.get(Readiness).drain();
    await sleep(delayMs);
    setTimeout(() => {
      new Logger('GAuthifyServer').error(
        `Not all requests ended within ${timeoutMs / 1000} s: they are cut off`,
      );
      process.exit(1);
    }, timeoutMs);
    await app.close();
    print('Ended');
    process.exit(0);
  };
  for (const signal of SIGNALS) process.on(signal, () => void close(signal));
}
