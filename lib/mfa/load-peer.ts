/** Loads an optional peer package. @throws Error which says to install the package, or why it could not be loaded where it is installed */
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
      // Not one that the package itself depends on.
      message.includes(`'${name}'`);
    throw new Error(
      isMissing
        ? `GAuthifyModule: ${option} needs the package ${name}: run npm install ${name}.`
        : `GAuthifyModule: ${option} could not load the package ${name}: ${message}`,
      { cause },
    );
  }
}
