import { StartError } from '../settings/start-error.js';

/** Loads an optional package. @throws StartError with the line that installs it */
export async function loadPackage<Package>(
  load: () => Promise<Package>,
  install: string,
  purpose: string,
): Promise<Package> {
  try {
    return await load();
  } catch (error) {
    throw new StartError(
      `${purpose} needs the package ${install.split('@')[0]}, which is not installed: run npm install ${install}`,
      { cause: error },
    );
  }
}
