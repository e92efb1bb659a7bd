import type { Decrypter, Encrypter } from 'age-encryption';
import { type Input, readDocument } from './input.js';
import { loadPackage } from '../settings/load-package.js';
import { StartError } from '../settings/start-error.js';

/** First bytes of a file encrypted with age, https://age-encryption.org/v1, and of the same in ASCII. */
const BINARY = 'age-encryption.org/v1';
const ARMOR = '-----BEGIN AGE ENCRYPTED FILE-----';
/** What follows the first line of a file that a passphrase opens. */
const SCRYPT = '\n-> scrypt ';

/** Whom an export is encrypted to: a passphrase, or the public keys of recipients (`age1…`). */
export type EncryptTo = { passphrase: string } | { recipients: string[] };

/** What opens it: a passphrase, or private keys (`AGE-SECRET-KEY-1…`). */
export type DecryptWith = { passphrase: string } | { identities: string[] };

const loadAge = () =>
  loadPackage(
    () => import('age-encryption'),
    'age-encryption@0.3',
    'An encrypted file',
  );

/** Encrypts a file in pieces. @throws StartError if a recipient is none */
export async function encrypt(input: Input, to: EncryptTo): Promise<Input> {
  const age = await loadAge();
  const encrypter: Encrypter = new age.Encrypter();
  if ('passphrase' in to) encrypter.setPassphrase(to.passphrase);
  else
    to.recipients.forEach((recipient, index) =>
      naming(`Recipient ${index + 1} must be a public key age1…`, () =>
        encrypter.addRecipient(recipient),
      ),
    );
  return await encrypter.encrypt(streamOf(input));
}

/**
 * A file, decrypted if it is encrypted with age, in pieces.
 *
 * @param ask called if it is encrypted: with a passphrase, or to public keys
 * @param mustBe whether somebody said that it is: a file that took its place must not pass
 * @throws StartError if what opens it does not fit; while it is read, if it was altered or cut off
 */
export async function decrypt(
  input: Input,
  ask: (isForPassphrase: boolean) => Promise<DecryptWith>,
  mustBe = false,
): Promise<Input> {
  const { start, whole } = await peek(input);
  const isEncrypted = start.startsWith(BINARY) || start.startsWith(ARMOR);
  if (!isEncrypted && mustBe)
    throw new StartError(
      'The file is not encrypted, although what opens it was given: it may have been replaced. Leave out the passphrase or identity to import it all the same',
    );
  if (!isEncrypted) return whole;
  const age = await loadAge();
  const decrypter: Decrypter = new age.Decrypter();
  const bytes = start.startsWith(ARMOR)
    ? unarmored(await readDocument(whole), age.armor.decode)
    : whole;
  const { start: header, whole: all } = await peek(bytes);
  const keys = await ask(header.slice(BINARY.length).startsWith(SCRYPT));
  if ('passphrase' in keys) decrypter.addPassphrase(keys.passphrase);
  else
    for (const identity of keys.identities)
      naming('An identity must be a private key AGE-SECRET-KEY-1…', () =>
        decrypter.addIdentity(identity),
      );
  let opened: Input;
  try {
    opened = await decrypter.decrypt(streamOf(all));
  } catch (error) {
    throw new StartError(
      'The file cannot be decrypted: the passphrase or identity is another one, or the file was altered',
      { cause: error },
    );
  }
  return namingDamage(opened);
}

async function* namingDamage(input: Input): AsyncGenerator<Uint8Array, void> {
  try {
    yield* input;
  } catch (error) {
    throw new StartError(
      'The encrypted file was altered or cut off. What came before it is imported',
      { cause: error },
    );
  }
}

function naming(sentence: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    throw new StartError(sentence, { cause: error });
  }
}

/** The first bytes as text, and all of them. */
async function peek(input: Input): Promise<{ start: string; whole: Input }> {
  const chunks = input[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  let isDone = false;
  while (length < ARMOR.length && !isDone) {
    const next = await chunks.next();
    if (next.done) isDone = true;
    else {
      first.push(next.value);
      length += next.value.length;
    }
  }
  async function* whole() {
    yield* first;
    if (!isDone) yield* { [Symbol.asyncIterator]: () => chunks };
  }
  return {
    start: Buffer.concat(first).toString('latin1'),
    whole: whole(),
  };
}

async function* unarmored(
  text: string,
  decode: (text: string) => Uint8Array,
): AsyncGenerator<Uint8Array, void> {
  let bytes: Uint8Array | undefined;
  naming('The encrypted file was altered or cut off', () => {
    bytes = decode(text.trim());
  });
  yield bytes!;
}

/** Chunks are taken as they are needed. */
function streamOf(input: Input): ReadableStream<Uint8Array> {
  const chunks = input[Symbol.asyncIterator]();
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await chunks.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    async cancel() {
      await chunks.return?.();
    },
  });
}
