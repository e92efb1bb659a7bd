import { parseMigration } from './otpauth-migration.js';
import type { Entry, ExchangeFactor } from '../exchange.js';
import { UsersByFactor } from '../group-by-user.js';
import { type Input, readLines } from '../input.js';

/** A factor, and the label that an authenticator app shows: `issuer:account`, or `account`. */
export interface LabelledFactor {
  label: string;
  /** What the account is of, if it is said apart from the label. */
  issuer?: string | undefined;
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
    for (const { label, issuer, factor } of factors) {
      const account = accountOf(label, issuer);
      const owner = `${issuer ?? issuerOf(label) ?? ''}\n${account}`;
      if (account === '')
        yield { line, problem: 'has no account in its label' };
      else users.add(line, account, owner, factor);
    }
  }
  yield* users.entries();
}

/**
 * The account of a label: `issuer:account`, with spaces after the colon, or `account`
 * [Key URI Format]. With an issuer, what comes before a colon must be that issuer:
 * otherwise a person who calls themselves `x:admin` would become `admin`.
 */
export function accountOf(label: string, issuer?: string): string {
  const prefix = issuerOf(label);
  const isPrefixed =
    prefix !== undefined && (issuer === undefined || prefix === issuer);
  return isPrefixed ? label.slice(prefix.length + 1).replace(/^ +/, '') : label;
}

/** What stands before the first colon of a label. */
const issuerOf = (label: string): string | undefined =>
  label.includes(':') ? label.slice(0, label.indexOf(':')) : undefined;

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
        issuer: get('issuer') || undefined,
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
