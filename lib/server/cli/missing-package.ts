import { createRequire } from 'node:module';
import { hasNodeSqlite } from '../store/sqlite-driver.js';

/** Optional peers that the server needs and the client does not, with the arguments of `npm install`. */
const OPTIONAL: Readonly<Record<string, string>> = {
  kysely: 'kysely@0.28',
  ...(hasNodeSqlite() ? {} : { 'better-sqlite3': 'better-sqlite3@12' }),
  otpauth: 'otpauth',
  qrcode: 'qrcode',
  nodemailer: 'nodemailer',
  '@nestjs/platform-fastify': '@nestjs/platform-fastify',
};

/** Peers that npm installs by itself, and other package managers may not. */
const REQUIRED: readonly string[] = [
  '@nestjs/common',
  '@nestjs/core',
  'class-transformer',
  'class-validator',
  'reflect-metadata',
  'rxjs',
];

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
  if (name === undefined || !(name in OPTIONAL || REQUIRED.includes(name)))
    return undefined;
  const packages = [
    ...Object.values(OPTIONAL),
    ...(name in OPTIONAL ? [] : REQUIRED),
  ].map(withNestMajor);
  return `${who} needs the package ${name}, which is not installed: run npm install ${packages.join(' ')}`;
}

/** Nest's packages must be of one major version: npm would install the newest. */
function withNestMajor(name: string): string {
  return name.startsWith('@nestjs/') ? `${name}${nestMajor()}` : name;
}

function nestMajor(): string {
  // Not `import.meta`: jest runs this file as CommonJS in applications that are.
  const require = createRequire(`${process.cwd()}/`);
  try {
    const { version } = require('@nestjs/core/package.json') as {
      version: string;
    };
    return `@${version.split('.', 1)[0]}`;
  } catch {
    // Nest is not installed.
    return '';
  }
}
