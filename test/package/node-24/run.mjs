/**
 * The server on Node 24, which contains SQLite: `npm run test:node-24`. Installs
 * Node in a temporary folder, and runs there what depends on the driver of SQLite
 * and `node-24-spec.ts`, jest included.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// What the package `node` installs by a script, which npm may not run.
const prefix =
  process.platform === 'darwin' && process.arch === 'arm64'
    ? 'node-bin'
    : 'node';
const name = `${prefix}-${process.platform}-${process.arch}`;

const folder = mkdtempSync(join(tmpdir(), 'gauthify-node-24-'));
try {
  execFileSync(
    'npm',
    [
      'install',
      '--prefix',
      folder,
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      `${name}@24`,
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  execFileSync(
    join(folder, 'node_modules', name, 'bin/node'),
    [
      '--experimental-vm-modules',
      'node_modules/jest/bin/jest.js',
      ...[
        'test/server/{sqlite-*,migrations,one-use,idempotency-store}.e2e-spec.ts',
        'test/package/node-24/node-24-spec.ts',
      ].flatMap((specs) => ['--testMatch', `<rootDir>/${specs}`]),
      ...process.argv.slice(2),
    ],
    {
      stdio: 'inherit',
      env: {
        ...process.env,
        SQLITE_DRIVER: 'node:sqlite',
        OTHER_NODE: process.execPath,
      },
    },
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
