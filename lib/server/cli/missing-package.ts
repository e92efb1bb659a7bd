/** Packages the server needs and the client does not, as they are installed: peers that npm leaves to the user. */
const NEEDED: Readonly<Record<string, string>> = {
  kysely: 'kysely@0.28',
  'better-sqlite3': 'better-sqlite3@12',
  otpauth: 'otpauth',
  qrcode: 'qrcode',
  nodemailer: 'nodemailer',
  '@nestjs/platform-fastify': '@nestjs/platform-fastify',
};

/**
 * One sentence for a package that could not be loaded because it is not
 * installed; `undefined` for any other error.
 *
 * @param who what needs it
 */
export function missingPackage(
  error: unknown,
  who: string,
): string | undefined {
  const { code, message = '' } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND')
    return undefined;
  const name = /(?:package|module) '([^']+)'/.exec(message)?.[1];
  // One that another package misses, or a file: only the cause is known.
  if (name === undefined || !(name in NEEDED)) return undefined;
  return `${who} needs the package ${name}, which is not installed: run npm install ${Object.values(NEEDED).join(' ')}`;
}
