import { createPrivateKey } from 'node:crypto';
import { isLoopback } from './loopback.js';
import { isObject, isString, kindOf, shown } from './option-type.js';
import { refuseUnknown } from './refuse-unknown.js';
import { StartError } from './start-error.js';

/** A mail server, and the sender of the messages. */
export interface SmtpOptions {
  /**
   * `smtp://user:password@host:587` with STARTTLS, or `smtps://user:password@host:465`.
   * The certificate is verified. An `smtp://` server that offers no TLS gets no
   * password and no code, unless it is on this machine or the URL ends in
   * `?starttls=never`.
   */
  url: string;
  /** `codes@example.com`, or `My Bank <codes@example.com>`. */
  from: string;
  /** Signs the messages [RFC 6376]. @default none: mail servers usually sign */
  dkim?: DkimOptions | undefined;
}

export interface DkimOptions {
  /** Domain of the sender. */
  domain: string;
  /** The public key is the TXT record of `<selector>._domainkey.<domain>`. */
  selector: string;
  /** RSA, PEM. */
  privateKey: string;
}

/** What {@link SmtpOptions.url} says. */
export interface SmtpServer {
  host: string;
  port: number;
  /** TLS from the first byte. */
  secure: boolean;
  /** TLS by STARTTLS, or no message. */
  requireTLS: boolean;
  auth: { user: string; pass: string } | undefined;
}

/** @throws StartError; never shows the URL, which may hold a password */
export function parseSmtpUrl(text: string): SmtpServer {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^smtps?:$/.test(url.protocol) || !url.hostname)
    throw new StartError(
      'Option smtp.url must be an smtp:// or smtps:// URL (its value is not shown: it may hold a password)',
    );
  for (const name of url.searchParams.keys())
    if (name !== 'starttls')
      throw new StartError(
        `Option smtp.url has no parameter ${shown(name)}: there is only starttls`,
      );
  const secure = url.protocol === 'smtps:';
  const starttls = url.searchParams.get('starttls');
  if (starttls !== null && secure)
    throw new StartError(
      'Option smtp.url: starttls is for smtp:// alone; smtps:// always uses TLS',
    );
  if (starttls !== null && starttls !== 'required' && starttls !== 'never')
    throw new StartError(
      `Option smtp.url: starttls must be required or never, but is ${shown(starttls)}`,
    );
  // As in the URL: [::1] is written in brackets.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const { username, password } = url;
  return {
    host,
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    // An attacker on the network path can remove the offer of STARTTLS [RFC 3207 §6]; a loopback connection has no such path.
    requireTLS:
      !secure && (starttls ? starttls === 'required' : !isLoopback(host)),
    auth: username
      ? { user: decoded(username), pass: decoded(password) }
      : undefined,
  };
}

/** @throws StartError */
export function checkSmtp(smtp: SmtpOptions): void {
  refuseUnknown(smtp, ['url', 'from', 'dkim'], 'smtp');
  const { url, from, dkim }: { [Name in keyof SmtpOptions]: unknown } = smtp;
  parseSmtpUrl(isString(url) ? url : '');
  if (!isString(from) || !/^[^\r\n@]+@[^\r\n@]+$/.test(from))
    throw new StartError(
      `Option smtp.from must be an e-mail address, but is ${shown(from)}`,
    );
  if (dkim !== undefined) checkDkim(dkim);
}

function checkDkim(dkim: unknown): void {
  if (!isObject(dkim))
    throw new StartError(
      `Option smtp.dkim must be an object { domain, selector, privateKey }, but is ${kindOf(dkim)}`,
    );
  refuseUnknown(dkim, ['domain', 'selector', 'privateKey'], 'smtp.dkim');
  const { domain, selector, privateKey } = dkim;
  for (const [name, value] of Object.entries({ domain, selector }))
    if (!isString(value) || !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(value))
      throw new StartError(
        `Option smtp.dkim.${name} must be a DNS name, but is ${shown(value)}`,
      );
  // RFC 8301 §3.2: shorter signatures are treated as missing.
  if (rsaBits(privateKey) < 1024)
    throw new StartError(
      'Option smtp.dkim.privateKey must be an RSA key of at least 1024 bits in PEM, without a passphrase, such as openssl genrsa 2048 makes',
    );
}

/** @returns 0 for anything but an RSA key */
function rsaBits(pem: unknown): number {
  try {
    const key = createPrivateKey(pem as string);
    return key.asymmetricKeyType === 'rsa'
      ? (key.asymmetricKeyDetails?.modulusLength ?? 0)
      : 0;
  } catch {
    return 0;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new StartError(
      'Option smtp.url: percent-encode the user name and the password',
    );
  }
}
