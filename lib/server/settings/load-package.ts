import { StartError } from './start-error.js';

/**
 * Loads an optional package.
 *
 * @param install its name, and the version to install
 * @param purpose what needs it; begins the error
 * @throws StartError with the line that installs it
 */
export async function loadPackage<Package>(
  load: () => Promise<Package>,
  install: string,
  purpose: string,
): Promise<Package> {
  try {
    return await load();
  } catch (error) {
    throw new StartError(
      `${purpose} needs the package ${install.split('@')[0]}: run npm install ${install}`,
      { cause: error },
    );
  }
}
