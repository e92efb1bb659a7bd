import { refuseUnknownOptions } from '../../contract/known-options.js';
import { StartError } from './start-error.js';

/** @throws StartError naming the first option that does not exist, and the nearest one that does */
export function refuseUnknown(
  given: object,
  known: readonly string[],
  path?: string,
): void {
  const fail = (name: string, problem: string) =>
    new StartError(
      name === 'path' || name === 'standalone'
        ? `Option ${name} must stand beside useFactory, not in what it returns`
        : `Option ${name}: ${problem}`,
    );
  refuseUnknownOptions(given, known, fail, path);
}
