import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
} from 'node:fs';
import { join } from 'node:path';
import { StartError } from 'nestjs-gauthify/server';

/**
 * Makes the folder of the databases, for its owner alone.
 *
 * @throws StartError where it, or a database in it, cannot be written
 */
export function prepareDataDir(dataDir: string): void {
  try {
    if (!existsSync(dataDir)) mkdirSync(dataDir, { mode: 0o700 });
    const databases = readdirSync(dataDir).filter((name) =>
      name.endsWith('.sqlite'),
    );
    for (const path of [
      dataDir,
      ...databases.map((name) => join(dataDir, name)),
    ])
      accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw new StartError(
      `DATA_DIR must be a folder that can be written to: ${(error as Error).message}`,
      { cause: error },
    );
  }
}
