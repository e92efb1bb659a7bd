/** Optional peers that the server needs and the client does not, with the arguments of `npm install`. */
const NEEDED: Readonly<Record<string, string>> = {
  kysely: 'kysely@0.28',
  'better-sqlite3': 'better-sqlite3@12',
  otpauth: 'otpauth',
  qrcode: 'qrcode',
  nodemailer: 'nodemailer',
  '@nestjs/platform-fastify': '@nestjs/platform-fastify',
};

/**
 * One sentence about a package that is not installed; `undefined` for any other
 * error.
 *
 * @param who needs the package
 */
export function missingPackage(
  error: unknown,
  who: string,
): string | undefined {
  const { code, message = '' } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND')
    return undefined;
  const name = /(?:package|module) '([^']+)'/.exec(message)?.[1];
  // A file, or a dependency of another package: this list has no advice for it.
  if (name === undefined || !(name in NEEDED)) return undefined;
  return `${who} needs the package ${name}, which is not installed: run npm install ${Object.values(NEEDED).join(' ')}`;
}
