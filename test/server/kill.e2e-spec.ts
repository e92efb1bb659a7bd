import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from '@jest/globals';
import { createPostgres } from '../helpers/postgres.js';

const { url, reason } = await createPostgres();
if (url === undefined)
  process.stderr.write(`Killing on PostgreSQL is skipped: ${reason}\n`);

it('accepts a code once, and keeps every user it answered, while one of two processes is killed', async () => {
  if (!existsSync('dist')) throw new Error('Run `npm run build` first');
  // A few of the rounds of `npm run prove:races`; it exits with 1 if one of them is not as it must be.
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['test/bench/races.mjs'],
    {
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        PROVE_ROUNDS: '3',
        PROVE_KILLS: '1',
        PROVE_CODE: 'totp',
        PROVE_ONLY: url === undefined ? 'SQLite, two' : 'two',
        ...(url !== undefined && { POSTGRES_URL: url }),
      },
    },
  );
  const rows = stdout
    .split('\n')
    .filter((line) => /^\| .* \| totp \|/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const databases = url === undefined ? 1 : 2;
  expect(rows.map((cells) => cells[4])).toEqual(
    Array(databases).fill(['3', '1']).flat(),
  );
  for (const [, , , isKilled, , one, , more, missing] of rows) {
    if (isKilled === 'no') expect(one).toBe('3');
    expect([more, missing]).toEqual(['0', '0']);
  }
}, 300_000);
