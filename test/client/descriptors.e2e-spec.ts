/** Safe mode in a process that runs out of file descriptors, as whoever opens connections to it can make it. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import { API_KEY } from '../helpers/client.js';

const PACKAGE = resolve('dist/index.js');

/** Server and client in one process, and `free` descriptors left. */
const PROGRAM = `
import 'reflect-metadata';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { createServer } from 'node:http';
import { devNull } from 'node:os';
import { NestFactory } from '@nestjs/core';
import { firstValueFrom } from 'rxjs';
const { GAuthifyModule, GAuthifyService } = await import(process.env.PACKAGE);
const server = createServer((request, response) =>
  response.setHeader('connection', 'close').end('{"data":{}}'),
);
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const app = await NestFactory.createApplicationContext(
  GAuthifyModule.forRoot({
    apiKey: process.env.API_KEY,
    accessPoints: ['http://127.0.0.1:' + server.address().port + '/v1/'],
    timeoutMs: 1000,
  }),
  { logger: false },
);
const gauthify = app.get(GAuthifyService);
const check = () =>
  firstValueFrom(gauthify.checkAuth('jane', '123456', { safeMode: true })).catch(
    (error) => error.name + ': ' + error.cause?.message,
  );
// Answers and results of probes are remembered for a while: each check comes 20 s later.
const now = performance.now.bind(performance);
let offset = 0;
performance.now = () => now() + offset;
// Loads what is loaded at the first request.
await check();
const taken = [];
try {
  for (;;) taken.push(openSync(devNull, 'r'));
} catch {}
const answers = [];
for (const free of [1, 2, 3]) {
  offset += 20_000;
  closeSync(taken.pop());
  answers.push(await check());
}
taken.forEach((descriptor) => closeSync(descriptor));
server.closeAllConnections();
server.close();
await once(server, 'close');
offset += 20_000;
answers.push(await check());
console.log(JSON.stringify(answers));
process.exit();
`;

it('does not open while the process has no descriptor to accept with, and opens in an outage', async () => {
  if (!existsSync(PACKAGE)) throw new Error('Run `npm run build` first');
  const { stdout } = await promisify(execFile)(
    'sh',
    [
      '-c',
      'ulimit -n 1024 && exec "$0" --input-type=module -e "$PROGRAM"',
      process.execPath,
    ],
    { env: { PATH: process.env.PATH, PROGRAM, PACKAGE, API_KEY } },
  );
  const answers = JSON.parse(stdout) as unknown[];
  expect(answers.slice(0, -1)).not.toContain(true);
  expect(JSON.stringify(answers)).toContain('closed the connection');
  expect(answers.at(-1)).toBe(true);
});
