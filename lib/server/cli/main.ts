#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { isGAuthifyError } from '../../contract/errors/gauthify.error.js';
import { namingVariables } from '../settings/environment.js';
import { missingPackage } from './missing-package.js';

async function main(): Promise<void> {
  // Loaded here, so that an error can name a package that is missing.
  const { run } = await import('./program.js');
  const code = await run(process.argv.slice(2), process.env, ownVersion());
  if (code === undefined) {
    isServing = true;
    return;
  }
  // What is written to a pipe may still be on its way.
  for (const stream of [process.stdout, process.stderr])
    await new Promise<unknown>((written) => stream.write('', written));
  process.exit(code);
}

function ownVersion(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string })
    .version;
}

/** As the shell says it: 128, and the number of the signal. */
const ENDED_BY_SIGPIPE = 141;

let isServing = false;
// The reader of the output has ended, as `head` does. A server goes on without its log.
for (const stream of [process.stdout, process.stderr])
  stream.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (!isServing) process.exit(code === 'EPIPE' ? ENDED_BY_SIGPIPE : 1);
  });

main().catch((error: unknown) => {
  process.stderr.write(`gauthify-server: ${sentenceOf(error)}\n`);
  process.exit(1);
});

/** One sentence for an expected error; the stack for any other. */
function sentenceOf(error: unknown): string {
  const { name, code, message, stack, port } =
    error as NodeJS.ErrnoException & { port?: number };
  if (name === 'StartError') return namingVariables(message);
  if (isGAuthifyError(error)) return message;
  if (code === 'EADDRINUSE')
    return `PORT ${port} is in use: stop the program that listens there, or set another PORT`;
  if (code === 'EACCES')
    return `PORT ${port} may not be opened by this user: set a PORT above 1023`;
  if (code === 'ENOTFOUND' || code === 'EADDRNOTAVAIL')
    return `HOST must be an address of this machine, but is "${process.env.HOST}"`;
  return missingPackage(error, 'The server') ?? stack ?? message;
}
