/**
 * The package from its tarball in an empty application on Nest 11, the older of
 * the two majors it says it runs on: `npm run test:nest-11`. Installs that
 * application in a folder for temporary files; better-sqlite3, which is slow to
 * compile, is taken from here.
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

const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'gauthify-nest-11-'));
const npm = (...args) =>
  execFileSync('npm', args, { cwd: folder, stdio: ['ignore', 'pipe', 2] });
try {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
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
    ...['common', 'core', 'platform-express', 'platform-fastify'].map(
      (name) => `@nestjs/${name}@11`,
    ),
    '@nestjs/axios@4',
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
  execFileSync(process.execPath, ['app.cjs'], {
    cwd: folder,
    stdio: 'inherit',
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
