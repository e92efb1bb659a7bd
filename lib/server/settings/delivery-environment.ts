import { readFileSync } from 'node:fs';
import type { HttpGatewayOptions } from './delivery-options.js';
import { type Environment, parseList } from './environment-values.js';
import type { GAuthifyServerOptions } from './server.options.js';
import type { DkimOptions } from './smtp-options.js';
import { StartError } from './start-error.js';

/** The variables of delivery, by the option that they set. */
export const DELIVERY_VARIABLES: Readonly<Record<string, string>> = {
  'smtp.url': 'SMTP_URL',
  'smtp.from': 'MAIL_FROM',
  'smtp.dkim.domain': 'DKIM_DOMAIN',
  'smtp.dkim.selector': 'DKIM_SELECTOR',
  'smtp.dkim.privateKey': 'DKIM_KEY_FILE',
  twilio: 'TWILIO_ACCOUNT_SID',
  'twilio.accountSid': 'TWILIO_ACCOUNT_SID',
  'twilio.authToken': 'TWILIO_AUTH_TOKEN',
  'twilio.from': 'TWILIO_FROM',
  'twilio.baseUrl': 'TWILIO_BASE_URL',
  ...gatewayVariables('smsHttp', 'SMS_HTTP'),
  ...gatewayVariables('voiceHttp', 'VOICE_HTTP'),
  smsCountries: 'GAUTHIFY_SMS_COUNTRIES',
};

/** How messages are sent. @throws StartError naming the first wrong variable */
export function deliveryFrom(
  env: Environment,
): Pick<
  GAuthifyServerOptions,
  'smtp' | 'twilio' | 'smsHttp' | 'voiceHttp' | 'smsCountries'
> {
  return {
    smtp: parseSmtp(env),
    twilio: parseTwilio(env),
    smsHttp: parseGateway(env, 'SMS_HTTP'),
    voiceHttp: parseGateway(env, 'VOICE_HTTP'),
    smsCountries: env.GAUTHIFY_SMS_COUNTRIES
      ? parseList(env.GAUTHIFY_SMS_COUNTRIES)
      : undefined,
  };
}

function parseSmtp(env: Environment): GAuthifyServerOptions['smtp'] {
  const { SMTP_URL: url, MAIL_FROM: from } = env;
  const dkim = parseDkim(env);
  if (!url && !from && !dkim) return undefined;
  if (!url)
    throw new StartError(
      `${from ? 'MAIL_FROM' : 'DKIM_DOMAIN'} is set: set SMTP_URL as well`,
    );
  if (!from)
    throw new StartError(
      'SMTP_URL is set: set MAIL_FROM, the address that codes are sent from, as well',
    );
  return { url, from, dkim };
}

function parseDkim(env: Environment): DkimOptions | undefined {
  const values = allOrNone(env, [
    'DKIM_DOMAIN',
    'DKIM_SELECTOR',
    'DKIM_KEY_FILE',
  ]);
  if (!values) return undefined;
  const [domain, selector, file] = values;
  return {
    domain: domain!,
    selector: selector!,
    privateKey: readKey(file!),
  };
}

/** The values of variables that only make sense together. @throws StartError if some are missing */
function allOrNone(
  env: Environment,
  names: readonly string[],
): string[] | undefined {
  const given = names.filter((name) => env[name]);
  if (given.length === 0) return undefined;
  const missing = names.find((name) => !env[name]);
  if (missing)
    throw new StartError(`${given[0]} is set: set ${missing} as well`);
  return names.map((name) => env[name]!);
}

function readKey(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new StartError(
      `DKIM_KEY_FILE: ${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`,
      { cause: error },
    );
  }
}

function parseTwilio(env: Environment): GAuthifyServerOptions['twilio'] {
  const baseUrl = env.TWILIO_BASE_URL || undefined;
  const values = allOrNone(env, [
    'TWILIO_ACCOUNT_SID',
    'TWILIO_AUTH_TOKEN',
    'TWILIO_FROM',
  ]);
  if (!values && baseUrl)
    throw new StartError(
      'TWILIO_BASE_URL is set: set TWILIO_ACCOUNT_SID as well',
    );
  if (!values) return undefined;
  const [accountSid, authToken, from] = values;
  return {
    accountSid: accountSid!,
    authToken: authToken!,
    from: from!,
    baseUrl,
  };
}

function parseGateway(
  env: Environment,
  prefix: string,
): HttpGatewayOptions | undefined {
  const of = (name: string) => env[`${prefix}_${name}`] || undefined;
  const url = of('URL');
  if (!url) {
    const set = ['METHOD', 'HEADERS', 'BODY'].find(of);
    if (set)
      throw new StartError(
        `${prefix}_${set} is set: set ${prefix}_URL as well`,
      );
    return undefined;
  }
  return {
    url,
    method: of('METHOD') as HttpGatewayOptions['method'],
    headers: parseHeaders(of('HEADERS'), `${prefix}_HEADERS`),
    body: of('BODY'),
  };
}

function parseHeaders(
  text: string | undefined,
  name: string,
): Record<string, string> | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Record<string, string>;
  } catch {
    // The value may hold a key.
    throw new StartError(
      `${name} must be a JSON object, such as {"content-type":"application/json"}`,
    );
  }
}

function gatewayVariables(
  option: string,
  prefix: string,
): Record<string, string> {
  const parts = Object.fromEntries(
    ['url', 'method', 'headers', 'body'].map((name) => [
      `${option}.${name}`,
      `${prefix}_${name.toUpperCase()}`,
    ]),
  );
  return { [option]: `${prefix}_URL`, ...parts };
}
