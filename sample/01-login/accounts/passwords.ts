import {
  randomBytes,
  scrypt,
  type ScryptOptions,
  timingSafeEqual,
} from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** 16 MiB and a quarter of a second each [OWASP Password Storage]. */
const COST = { N: 2 ** 14, r: 8, p: 5 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** `salt.hash`: a password nobody knows. */
const NOBODYS = [SALT_BYTES, HASH_BYTES]
  .map((bytes) => randomBytes(bytes).toString('base64'))
  .join('.');

/** What is stored of a password. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await hashWith(salt, password);
  return `${salt.toString('base64')}.${hash.toString('base64')}`;
}

/** Takes as long where nothing is stored: the time must not tell which accounts exist. */
export async function isPassword(
  password: string,
  stored = NOBODYS,
): Promise<boolean> {
  const [salt, hash] = stored
    .split('.')
    .map((part) => Buffer.from(part, 'base64'));
  return timingSafeEqual(await hashWith(salt!, password), hash!);
}

function hashWith(salt: Buffer, password: string): Promise<Buffer> {
  // Keyboards differ in how they compose é; the password is the same.
  return derive(password.normalize('NFKC'), salt, HASH_BYTES, COST);
}
