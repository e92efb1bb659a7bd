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
  // Before there is a file.
  for (const signal of SIGNALS) process.once(signal, abandon);
  try {
    const file = await open(temporary, 'wx', 0o600).catch(
      (error: NodeJS.ErrnoException) => {
        throw new StartError(`${path} cannot be written (${error.code})`, {
          cause: error,
        });
      },
    );
    try {
      for await (const chunk of content) await file.appendFile(chunk);
      await file.sync();
    } finally {
      await file.close();
    }
    if (force) await rename(temporary, path);
    // Unlike renaming, this fails if there is a file by now.
    else await link(temporary, path);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw exists(path);
    // Not an error of what is written, such as a connection that was lost.
    if (!['write', 'fsync', 'rename', 'link'].includes(syscall ?? ''))
      throw error;
    throw new StartError(
      `${path} could not be written (${code}): nothing of it was kept`,
      { cause: error },
    );
  } finally {
    for (const signal of SIGNALS) process.off(signal, abandon);
    await rm(temporary, { force: true });
  }
}

const exists = (path: string) =>
  new StartError(`${path} exists: give another name, or --force`);
