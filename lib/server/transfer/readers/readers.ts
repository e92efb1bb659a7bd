import type { Entry, ExportHeader, ExportRealm } from '../exchange.js';
import type { Input } from '../input.js';
import { readAuthy } from './authy.js';
import { readBetterAuth } from './better-auth.js';
import { readCsv } from './csv.js';
import { readJsonLines } from './json-lines.js';
import type { EncryptedFormat, Format } from './formats.js';
import { type KeycloakId, readKeycloak } from './keycloak.js';
import { readOtpauth } from './otpauth.js';
import { readPrivacyIdea } from './privacyidea.js';

/** What some formats need besides the file. */
export interface ReadOptions {
  /** The secret of the other system; asked where the format needs it. */
  foreignSecret: (format: EncryptedFormat) => Promise<string>;
  keycloakId?: KeycloakId | undefined;
  /** Called with the settings of each realm of an export. @returns what is wrong with them */
  onRealm?: ((realm: ExportRealm) => Promise<string | undefined>) | undefined;
  /** Called with the header of an export. */
  onHeader?: ((header: ExportHeader) => Promise<void>) | undefined;
}

/** The users of a file. @throws StartError, once it is read, if it is not of the format */
export async function* readUsers(
  format: Format,
  input: Input,
  { foreignSecret, keycloakId, ...on }: ReadOptions,
): AsyncGenerator<Entry, void> {
  switch (format) {
    case 'jsonl':
      return yield* readJsonLines(input, on);
    case 'csv':
      return yield* readCsv(input);
    case 'otpauth':
      return yield* readOtpauth(input);
    case 'keycloak':
      return yield* readKeycloak(input, keycloakId);
    case 'better-auth':
      return yield* readBetterAuth(input, await foreignSecret(format));
    case 'authy':
      return yield* readAuthy(input);
    case 'privacyidea':
      return yield* readPrivacyIdea(input, () => foreignSecret(format));
  }
}
