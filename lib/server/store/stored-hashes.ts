import type { Keyring } from './keyring.js';

/**
 * What is stored of an API key: `hash`, by which it is found, and `binding`, which
 * says for which realm it was made. Both need the keys of the keyring, so that
 * someone who can write to the database cannot make a key, or give one to
 * another realm.
 *
 * @param sha256 SHA-256 of the key, hex
 */
export function apiKeyHashes(keyring: Keyring, sha256: string, realm: string) {
  return {
    hash: keyring.lookups(apiKeyLookup(sha256))[0],
    binding: keyring.hash(apiKeyBinding(sha256, realm)),
  };
}

export const apiKeyLookup = (sha256: string) => `api-key\n${sha256}`;

export const apiKeyBinding = (sha256: string, realm: string) =>
  `api-key\n${sha256}\n${realm}`;

/** What a token `gat…` stands for. */
export interface TokenOwner {
  realm: string;
  unique_id: string;
  epoch: string;
  /** kind of code that earned it; empty for a token from before 0.2.0 */
  method: string;
}

/** What is stored of a token, likewise. */
export function tokenHashes(
  keyring: Keyring,
  sha256: string,
  owner: TokenOwner,
) {
  return {
    hash: keyring.lookups(tokenLookup(sha256))[0],
    binding: keyring.hash(tokenBinding(sha256, owner)),
  };
}

export const tokenLookup = (sha256: string) => `token\n${sha256}`;

export const tokenBinding = (
  sha256: string,
  { realm, unique_id, epoch, method }: TokenOwner,
) => ['token', sha256, realm, unique_id, epoch, method].join('\n');
