import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
} from '@jest/globals';
import { readEnvironment, urlOf } from '../../sample/01-login/environment.js';
import { freePort } from './running-sample.js';
import { Visitor } from './visitor.js';

describe('the environment of the sample', () => {
  it('has a default for everything', () => {
    expect(readEnvironment({ HOST: '', PORT: '' })).toEqual({
      host: '127.0.0.1',
      port: 3000,
      dataDir: resolve('sample/01-login/data'),
      smtp: undefined,
    });
  });

  it('says where, and by which mail server', () => {
    expect(
      readEnvironment({
        HOST: '0.0.0.0',
        PORT: '8080',
        DATA_DIR: 'elsewhere',
        SMTP_URL: 'smtp://127.0.0.1:2525',
        MAIL_FROM: 'codes@example.com',
      }),
    ).toEqual({
      host: '0.0.0.0',
      port: 8080,
      dataDir: resolve('elsewhere'),
      smtp: { url: 'smtp://127.0.0.1:2525', from: 'codes@example.com' },
    });
  });

  it.each([
    ['PORT', { PORT: 'http' }],
    ['PORT', { PORT: '65536' }],
    ['PORT', { PORT: '0' }],
    ['HOST', { HOST: 'a b' }],
    ['HOST', { HOST: 'a%b' }],
    ['SMTP_URL', { SMTP_URL: 'mail.example.com', MAIL_FROM: 'a@example.com' }],
    ['MAIL_FROM', { MAIL_FROM: 'codes@example.com' }],
  ])('refuses a wrong %s: %j', (name, env) => {
    expect(() => readEnvironment(env)).toThrow(
      expect.objectContaining({
        name: 'StartError',
        message: expect.stringMatching(new RegExp(`^${name} `)),
      }),
    );
  });

  it.each([
    ['127.0.0.1', 'http://127.0.0.1:3000'],
    ['0.0.0.0', 'http://127.0.0.1:3000'],
    ['::', 'http://[::1]:3000'],
    ['::1', 'http://[::1]:3000'],
    ['localhost', 'http://localhost:3000'],
  ])('opens what listens on %s at %s', (host, url) => {
    expect(urlOf({ host, port: 3000 })).toBe(url);
  });
});

describe('npm start', () => {
  let dataDir: string;
  let running: ChildProcess | undefined;

  // As `npm start` does, after the build of the package.
  beforeAll(() => {
    if (!existsSync('dist/index.js'))
      throw new Error('Run `npm run build` first');
    execFileSync(process.execPath, [
      'node_modules/typescript/bin/tsc',
      '--project',
      'sample/tsconfig.build.json',
      // `npm run lint` checks the types of the sample.
      '--noCheck',
    ]);
  }, 60_000);

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'gauthify-sample-'));
  });
  afterEach(async () => {
    if (running?.exitCode === null && running.signalCode === null) {
      running.kill('SIGKILL');
      await once(running, 'exit');
    }
    rmSync(dataDir, { recursive: true });
  });

  function start(environment: Record<string, string>) {
    const child = spawn(process.execPath, ['dist-sample/01-login/main.js'], {
      env: { PATH: process.env.PATH, DATA_DIR: dataDir, ...environment },
    });
    running = child;
    const printed = { out: '', err: '' };
    child.stdout.on('data', (data) => (printed.out += String(data)));
    child.stderr.on('data', (data) => (printed.err += String(data)));
    return { child, printed };
  }

  it('prints the address to open and nothing else, shows a page there, and ends on SIGTERM', async () => {
    const port = await freePort();
    const { child, printed } = start({ PORT: String(port) });
    await once(child.stdout, 'data');
    const url = `http://127.0.0.1:${port}`;
    expect(printed.out).toBe(`GAuthify sample: open ${url}\n`);

    const visitor = new Visitor(url);
    expect((await visitor.get('/')).html).toMatch(/^<!doctype html>/);
    expect((await visitor.get('/style.css')).status).toBe(200);
    const { location } = await visitor.post('/register', {
      name: 'jane',
      password: 'correct horse',
    });
    expect(location).toBe('/code');
    // Hashes of passwords and the keys of codes: for nobody else on this machine.
    for (const file of readdirSync(dataDir))
      expect([file, statSync(join(dataDir, file)).mode & 0o077]).toEqual([
        file,
        0,
      ]);

    child.kill('SIGTERM');
    await once(child, 'close');
    expect(child.signalCode === 'SIGTERM' || child.exitCode === 0).toBe(true);
    expect(printed.err).toBe('');
    // Closed in order: nothing is left in a write-ahead log.
    expect(readdirSync(dataDir).filter((file) => /-wal$/.test(file))).toEqual(
      [],
    );
  });

  async function failure(environment: Record<string, string>) {
    const { child, printed } = start(environment);
    const [code] = await once(child, 'close');
    expect({ code, out: printed.out }).toEqual({ code: 1, out: '' });
    // One sentence, and no stack.
    expect(printed.err).toMatch(/^GAuthify sample: [^\n]+\n$/);
    return printed.err;
  }

  it('says that PORT is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await failure({ PORT: String(port) })).toContain('PORT is in use');
    server.close();
  });

  it('says that DATA_DIR is no folder', async () => {
    const file = join(dataDir, 'file');
    writeFileSync(file, '');
    expect(await failure({ DATA_DIR: file })).toContain('DATA_DIR must be');
    expect(await failure({ DATA_DIR: join(file, 'x') })).toContain(
      'DATA_DIR must be',
    );
  });

  it('says which database is none', async () => {
    const port = String(await freePort());
    writeFileSync(
      join(dataDir, 'accounts.sqlite'),
      'not a database, '.repeat(9),
    );
    expect(await failure({ PORT: port })).toContain(
      'accounts.sqlite in DATA_DIR could not be opened',
    );
  });
});
