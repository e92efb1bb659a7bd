import { parseMigration } from './otpauth-migration.js';
import type { Entry, ExchangeFactor } from '../exchange.js';
import { UsersByFactor } from '../group-by-user.js';
import { type Input, readLines } from '../input.js';

/** A factor, and the label that an authenticator app shows: `issuer:account`, or `account`. */
export interface LabelledFactor {
  label: string;
  factor: ExchangeFactor;
}

/**
 * A list of otpauth:// URIs, one a line, or of the otpauth-migration:// URIs that
 * Google Authenticator exports. The account of the label is the user.
 *
 * @see https://github.com/google/google-authenticator/wiki/Key-Uri-Format
 */
export async function* readOtpauth(input: Input): AsyncGenerator<Entry, void> {
  const users = new UsersByFactor();
  for await (const { line, text } of readLines(input)) {
    const uri = text?.trim() ?? '';
    if (uri.startsWith('#')) continue;
    const factors = /^otpauth-migration:/i.test(uri)
      ? parseMigration(uri)
      : parseUri(uri);
    if (!factors) {
      yield { line, problem: 'is not an otpauth:// URI' };
      continue;
    }
    for (const { label, factor } of factors) {
      const account = accountOf(label);
      if (account === '')
        yield { line, problem: 'has no account in its label' };
      else users.add(line, account, factor);
    }
  }
  yield* users.entries();
}

/** `issuer:account`, with spaces after the colon, or `account` [Key URI Format]. */
export function accountOf(label: string): string {
  return label.slice(label.indexOf(':') + 1).trim();
}

function parseUri(text: string): LabelledFactor[] | undefined {
  const [, type, path, query] =
    /^otpauth:\/\/(totp|hotp)\/([^?#]*)\?(.*)$/is.exec(text) ?? [];
  if (type === undefined || path === undefined) return undefined;
  const parameters = new URLSearchParams(query);
  const get = (name: string) => parameters.get(name) ?? undefined;
  try {
    return [
      {
        label: decodeURIComponent(path),
        factor: {
          kind: type.toLowerCase() as 'totp' | 'hotp',
          secret: get('secret'),
          algorithm: get('algorithm'),
          digits: get('digits'),
          period: get('period'),
        },
      },
    ];
  } catch {
    // A percent sign that encodes nothing.
    return undefined;
  }
}
