import { once } from 'node:events';
import { createReadStream, type ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { StartError } from '../settings/start-error.js';

/** Opens a file before anything reads it, so that one sentence can say what is wrong. @throws StartError */
export async function openFile(path: string): Promise<ReadStream> {
  const stream = createReadStream(path);
  try {
    await once(stream, 'open');
    if ((await stat(path)).isDirectory())
      throw Object.assign(new Error(), { code: 'EISDIR' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(`${path} cannot be read: ${code}`, { cause: error });
  }
  return stream;
}
