/**
 * The package from its tarball in an empty application on Nest 11, the older of
 * the two majors it runs on: `npm run test:nest-11`. It runs the application,
 * and the spec of `docs/testing.md` under ts-jest, configured as `nest new` of
 * Nest 11 does plus the lines of that page. Installs all of it in a temporary
 * folder; better-sqlite3, which is slow to compile, is copied from here.
 */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `jest` in the package.json of a new Nest 11 application, as far as it matters here. */
const JEST_OF_NEST_11 = {
  moduleFileExtensions: ['js', 'json', 'ts'],
  rootDir: 'src',
  testRegex: '.*\\.spec\\.ts$',
  transform: { '^.+\\.(t|j)s$': 'ts-jest' },
  // ts-jest compiles the package at its first use; a busy machine is no failure.
  testTimeout: 30_000,
  testEnvironment: 'node',
};

/** Its tsconfig.json, likewise. */
const TSCONFIG_OF_NEST_11 = {
  module: 'nodenext',
  moduleResolution: 'nodenext',
  esModuleInterop: true,
  isolatedModules: true,
  emitDecoratorMetadata: true,
  experimentalDecorators: true,
  target: 'ES2023',
  skipLibCheck: true,
  strictNullChecks: true,
};

const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'gauthify-nest-11-'));
const npm = (...args) =>
  execFileSync('npm', args, { cwd: folder, stdio: ['ignore', 'pipe', 2] });
try {
  const page = readFileSync('docs/testing.md', 'utf8');
  const [, spec] = /^```ts\n([^]*?)^```/m.exec(page);
  const [, jestLines] = /^```json\n([^]*?)^```/m.exec(page);
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({
      private: true,
      jest: { ...JEST_OF_NEST_11, ...JSON.parse(jestLines) },
    }),
  );
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: TSCONFIG_OF_NEST_11 }),
  );
  mkdirSync(join(folder, 'src'));
  writeFileSync(join(folder, 'src/gauthify.spec.ts'), spec);
  const [{ filename }] = JSON.parse(
    execFileSync('npm', [
      'pack',
      '--json',
      '--ignore-scripts',
      '--pack-destination',
      folder,
    ]),
  );
  npm(
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    `./${filename}`,
    ...[
      'common',
      'core',
      'platform-express',
      'platform-fastify',
      'testing',
    ].map((name) => `@nestjs/${name}@11`),
    '@nestjs/axios@4',
    'jest@30',
    'ts-jest@29',
    'typescript@5',
    '@types/jest@30',
    ...[
      'axios',
      'better-sqlite3',
      'class-transformer',
      'class-validator',
      'jose',
      'kysely',
      'nodemailer',
      'otpauth',
      'qrcode',
      'reflect-metadata',
      'rxjs',
    ].map((name) => `${name}@${devDependencies[name]}`),
  );
  const built = 'node_modules/better-sqlite3/build/Release';
  mkdirSync(join(folder, built), { recursive: true });
  copyFileSync(
    join(built, 'better_sqlite3.node'),
    join(folder, built, 'better_sqlite3.node'),
  );
  copyFileSync('test/package/nest-11/app.cjs', join(folder, 'app.cjs'));
  for (const args of [
    ['app.cjs'],
    ['node_modules/jest/bin/jest.js', ...process.argv.slice(2)],
  ])
    execFileSync(process.execPath, args, { cwd: folder, stdio: 'inherit' });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
