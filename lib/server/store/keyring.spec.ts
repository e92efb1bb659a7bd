import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { derivedKeys } from './data-keys.js';
import { createEncryptionKey, readOrCreateKeyFile } from './key-file.js';
import { Keyring } from './keyring.js';

const secret = randomBytes(20);

describe('the keyring', () => {
  const [oldKey, newKey] = [createEncryptionKey(), createEncryptionKey()];

  it('opens what it sealed, and seals the same secret differently each time', () => {
    const keyring = new Keyring(derivedKeys(oldKey));
    const sealed = [keyring.seal(secret, 'a'), keyring.seal(secret, 'a')];
    expect(sealed[0]).not.toBe(sealed[1]);
    for (const record of sealed)
      expect(keyring.open(record, 'a')).toEqual(secret);
  });

  it('does not open a record that was moved or altered', () => {
    const keyring = new Keyring(derivedKeys(oldKey));
    const record = keyring.seal(secret, 'user 1');
    expect(() => keyring.open(record, 'user 2')).toThrow();
    const [id, data] = record.split('.');
    const bytes = Buffer.from(data!, 'base64url');
    bytes[15]! ^= 1;
    expect(() =>
      keyring.open(`${id}.${bytes.toString('base64url')}`, 'user 1'),
    ).toThrow();
    expect(() => keyring.open(`${id}.`, 'user 1')).toThrow();
  });

  it('reads what an older key wrote, and writes with the newest', () => {
    const before = new Keyring(derivedKeys(oldKey));
    const after = new Keyring([...derivedKeys(newKey), ...derivedKeys(oldKey)]);
    expect(after.open(before.seal(secret, 'a'), 'a')).toEqual(secret);
    expect(after.matches(before.hash('code'), 'code')).toBe(true);
    expect(() => before.open(after.seal(secret, 'a'), 'a')).toThrow(
      `There is no data key "${newKey.id}"`,
    );
    expect(before.matches(after.hash('code'), 'code')).toBe(false);
  });

  it('does not match the hash of another value', () => {
    const keyring = new Keyring(derivedKeys(oldKey));
    expect(keyring.matches(keyring.hash('123456'), '123457')).toBe(false);
    expect(keyring.matches('', '123456')).toBe(false);
  });
});

describe('the key file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gauthify-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is created once, readable by its owner alone', () => {
    const path = join(folder, 'a.key');
    const made = readOrCreateKeyFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const written = readFileSync(path, 'utf8');
    expect(readOrCreateKeyFile(path)).toEqual(made);
    expect(readFileSync(path, 'utf8')).toBe(written);
  });

  it('is refused if others can read it', () => {
    const path = join(folder, 'b.key');
    readOrCreateKeyFile(path);
    chmodSync(path, 0o644);
    expect(() => readOrCreateKeyFile(path)).toThrow('run chmod 600');
  });

  it('is refused if the folder does not exist', () => {
    expect(() => readOrCreateKeyFile(join(folder, 'no', 'c.key'))).toThrow(
      /could not be written/,
    );
  });
});
