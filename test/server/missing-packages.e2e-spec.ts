import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import {
  INSTALLED_PROGRAM as PROGRAM,
  installWithout,
} from '../helpers/installed.js';
import { hasNodeSqlite } from '../../lib/server/store/sqlite-driver.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const install = (without: string) => installWithout(folder, without);

function run(file: string, environment: Record<string, string> = {}) {
  const { stdout, stderr, status } = spawnSync(process.execPath, [file], {
    cwd: folder,
    env: { PATH: process.env.PATH, PORT: '0', ...environment },
    encoding: 'utf8',
    // A program that starts in spite of all would run for ever.
    timeout: 20_000,
  });
  return { stdout, stderr, status };
}

/** As `npm install` takes them: Nest's adapter must be of the major version of Nest. */
const OPTIONAL = `kysely@0.28 ${hasNodeSqlite() ? '' : 'better-sqlite3@12 '}otpauth qrcode nodemailer @nestjs/platform-fastify@12`;
const REQUIRED =
  '@nestjs/common@12 @nestjs/core@12 class-transformer class-validator reflect-metadata rxjs';

it.each([
  ['otpauth', OPTIONAL],
  ['kysely', OPTIONAL],
  ['@nestjs/platform-fastify', OPTIONAL],
  // Package managers other than npm do not install these by themselves.
  ['class-validator', `${OPTIONAL} ${REQUIRED}`],
  ['reflect-metadata', `${OPTIONAL} ${REQUIRED}`],
])('the program names %s where it is missing', (name, packages) => {
  install(name);
  const { stderr, status } = run(PROGRAM);
  expect(stderr).toBe(
    `gauthify-server: The server needs the package ${name}, which is not installed: run npm install ${packages}\n`,
  );
  expect(status).toBe(1);
});

it.each([
  ['prom-client', { METRICS_PORT: '0' }, 'METRICS_PORT'],
  ['pino', { LOG_FORMAT: 'json' }, 'LOG_FORMAT=json'],
])(
  'the program names %s where it is asked for and missing',
  (name, environment, variable) => {
    install(name);
    const { stderr, status } = run(PROGRAM, environment);
    expect(stderr).toBe(
      `gauthify-server: ${variable} needs the package ${name}: run npm install ${name}\n`,
    );
    expect(status).toBe(1);
  },
);

it('the program names @nestjs/core where it is missing, and then no version of Nest', () => {
  install('@nestjs/core');
  expect(run(PROGRAM).stderr).toMatch(
    /^gauthify-server: The server needs the package @nestjs\/core, .* @nestjs\/platform-fastify @nestjs\/common @nestjs\/core .*\n$/,
  );
});

it('the program states the cause if an installed package does not load', () => {
  install('otpauth');
  const broken = join(folder, 'node_modules/otpauth');
  mkdirSync(broken);
  writeFileSync(
    join(broken, 'package.json'),
    '{"name":"otpauth","main":"x.cjs"}',
  );
  writeFileSync(
    join(broken, 'x.cjs'),
    'exports.HOTP = exports.Secret = exports.TOTP = 1; require("not-there");',
  );
  const { stderr, status } = run(PROGRAM);
  expect(stderr).toContain("Cannot find module 'not-there'");
  expect(stderr).not.toContain('npm install');
  expect(status).toBe(1);
});

// Node 22.13 and newer contain SQLite: test/package/node-24 starts without better-sqlite3.
const onNode20 = hasNodeSqlite() ? it.skip : it;
if (hasNodeSqlite())
  writeSync(
    2,
    'SKIPPED: no message names better-sqlite3: this Node contains SQLite.\n',
  );

onNode20(
  'the program names better-sqlite3 where it is missing, and leaves no file',
  () => {
    install('better-sqlite3');
    const { stderr, status } = run(PROGRAM);
    expect(stderr).toBe(
      `gauthify-server: SQLite needs the package better-sqlite3 on Node ${process.version}: run npm install better-sqlite3@12, or use Node 22.13 or newer, which contains SQLite\n`,
    );
    expect(status).toBe(1);
    expect(readdirSync(folder)).toEqual(['node_modules']);
  },
);

onNode20(
  'the program names a missing native binary, does not blame the database, and leaves no file',
  () => {
    install('better-sqlite3');
    const copy = join(folder, 'node_modules/better-sqlite3');
    cpSync('node_modules/better-sqlite3', copy, { recursive: true });
    rmSync(join(copy, 'build'), { recursive: true });
    const { stderr, status } = run(PROGRAM);
    expect(stderr).toMatch(
      /^gauthify-server: better-sqlite3 has no native binary for Node v[^\n]+npm rebuild better-sqlite3[^\n]+\n$/,
    );
    expect(stderr).not.toContain('DATABASE_URL');
    expect(status).toBe(1);
    expect(readdirSync(folder)).toEqual(['node_modules']);
  },
);

it.each([
  ['otpauth', OPTIONAL],
  ['@nestjs/platform-fastify', OPTIONAL],
  ['class-validator', `${OPTIONAL} ${REQUIRED}`],
])('GAuthifyTestServer names %s where it is missing', (name, packages) => {
  install(name);
  writeFileSync(
    join(folder, 'test.mjs'),
    `import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
     await GAuthifyTestServer.start().catch((error) => console.log(error.message));`,
  );
  const { stdout } = run('test.mjs');
  expect(stdout).toBe(
    `GAuthifyTestServer needs the package ${name}, which is not installed: run npm install ${packages}\n`,
  );
});
