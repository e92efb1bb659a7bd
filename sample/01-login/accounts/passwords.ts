import {
  randomBytes,
  scrypt,
  type ScryptOptions,
  timingSafeEqual,
} from 'node:crypto';
import { promisify } from 'node:util';
import { Turns } from './turns.js';

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt);

/** scrypt's N: 16 MiB and a quarter of a second each [OWASP Password Storage]. */
export const PASSWORD_COST = 2 ** 14;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/**
 * Hashes of passwords, stored as `salt.hash.N`.
 *
 * scrypt runs on Node's four threads, which files and name look-ups need too.
 * Two at a time leave half of them to everything else.
 */
export class Passwords {
  private readonly turns = new Turns(2, 50);

  /** Of a password nobody knows. */
  private readonly nobodys: string;

  /** @param cost scrypt's N, a power of two. @default {@link PASSWORD_COST} */
  constructor(private readonly cost = PASSWORD_COST) {
    this.nobodys = format(
      randomBytes(SALT_BYTES),
      randomBytes(HASH_BYTES),
      cost,
    );
  }

  /**
   * What is stored of a password.
   *
   * @throws BusyError
   */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const hash = await this.hashWith(salt, password, this.cost);
    return format(salt, hash, this.cost);
  }

  /**
   * Whether a password is the stored one. Takes as long where nothing is
   * stored: the time must not tell which accounts exist.
   *
   * @throws BusyError
   */
  async matches(password: string, stored = this.nobodys): Promise<boolean> {
    const [salt = '', hash = '', cost = PASSWORD_COST] = stored.split('.');
    const expected = Buffer.from(hash, 'base64');
    const actual = await this.hashWith(
      Buffer.from(salt, 'base64'),
      password,
      Number(cost),
    );
    return timingSafeEqual(actual, expected);
  }

  private hashWith(salt: Buffer, password: string, N: number): Promise<Buffer> {
    return this.turns.take(() =>
      // Keyboards differ in how they compose é; the password is the same.
      derive(password.normalize('NFKC'), salt, HASH_BYTES, { N, r: 8, p: 5 }),
    );
  }
}

function format(salt: Buffer, hash: Buffer, cost: number): string {
  return `${salt.toString('base64')}.${hash.toString('base64')}.${cost}`;
}
