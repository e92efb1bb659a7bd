import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { link, open, rename, rm } from 'node:fs/promises';
import type { Input } from './input.js';
import { StartError } from '../settings/start-error.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Writes a file that only its owner may read. It appears under its name once it is
 * complete and on the disk.
 *
 * @param force replaces a file of that name
 * @throws StartError if there is one
 */
export async function writeFile(
  path: string,
  content: Input,
  force: boolean,
): Promise<void> {
  if (!force && existsSync(path)) throw exists(path);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.part`;
  // The file may hold secrets in the clear.
  const abandon = (signal: NodeJS.Signals) => {
    rmSync(temporary, { force: true });
    process.kill(process.pid, signal);
  };
  const fail = (error: NodeJS.ErrnoException): never => {
    if (error.code === 'EEXIST') throw exists(path);
    throw new StartError(
      `${path} cannot be written (${error.code}): nothing of it is kept`,
      { cause: error },
    );
  };
  const remove = () => rmSync(temporary, { force: true });
  // Before there is a file. The program may end for any reason.
  process.on('exit', remove);
  for (const signal of SIGNALS) process.once(signal, abandon);
  try {
    const file = await open(temporary, 'wx', 0o600).catch(fail);
    try {
      for await (const chunk of content)
        await file.appendFile(chunk).catch(fail);
      await file.sync().catch(fail);
    } finally {
      await file.close();
    }
    // Unlike renaming, to link fails if there is a file by now.
    await (force ? rename(temporary, path) : link(temporary, path)).catch(fail);
  } finally {
    process.off('exit', remove);
    for (const signal of SIGNALS) process.off(signal, abandon);
    await rm(temporary, { force: true });
  }
}

const exists = (path: string) =>
  new StartError(`${path} exists: give another name, or --force`);
