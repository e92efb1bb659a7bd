import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Environment } from '../settings/environment-values.js';
import {
  checkKeyProvider,
  type KeyProvider,
} from '../settings/key-provider.interface.js';
import { StartError } from '../settings/start-error.js';

/**
 * The default export of the ES module that `GAUTHIFY_KEY_PROVIDER` names; `undefined`
 * if it names none.
 *
 * @throws StartError if it cannot be loaded, or is no key provider
 */
export async function loadKeyProvider({
  GAUTHIFY_KEY_PROVIDER: file,
}: Environment): Promise<KeyProvider | undefined> {
  if (!file) return undefined;
  let module: { default?: unknown };
  try {
    module = (await import(pathToFileURL(resolve(file)).href)) as typeof module;
  } catch (error) {
    throw new StartError(
      `GAUTHIFY_KEY_PROVIDER: ${file} cannot be loaded: ${(error as Error).message}`,
      { cause: error },
    );
  }
  checkKeyProvider(module.default);
  return module.default as KeyProvider;
}
