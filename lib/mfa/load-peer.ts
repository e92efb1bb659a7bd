/**
 * Loads an optional peer package.
 *
 * @throws Error that says to install it only where it is not installed, else why it could not be loaded
 */
export async function loadPeer<T>(
  name: string,
  option: string,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing =
      (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') &&
      // And not a package that this one needs.
      message.includes(`'${name}'`);
    throw new Error(
      isMissing
        ? `GAuthifyModule: ${option} needs the package ${name}: run npm install ${name}.`
        : `GAuthifyModule: ${option} could not load the package ${name}: ${message}`,
      { cause },
    );
  }
}
