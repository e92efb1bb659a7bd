import type { CanActivate } from '@nestjs/common';
import { inspect } from 'node:util';
import { invalid } from '../client/client.options.js';
import { refuseUnknownOptions } from '../contract/known-options.js';
import { MfaGuard } from './mfa.guard.js';
import type { MfaOptions, MfaRoutesOption } from './mfa.options.js';
import { MFA_CHANNELS, type MfaChannel } from './mfa.service.js';

/** The output of the hash that signs [RFC 7518 §3.2]. */
const MIN_SECRET_BYTES = 32;

type Check = [isValid: (value: any) => boolean, problem: string];

const fn = (what = ''): Check => [
  (value) => typeof value === 'function',
  `must be a function${what}`,
];
const bool: Check = [
  (value) => typeof value === 'boolean',
  'must be true or false',
];
const isSecret = (value: unknown) =>
  typeof value === 'string' && Buffer.byteLength(value) >= MIN_SECRET_BYTES;

/** Every option of `mfa`, and what is checked where it is set; `undefined`: checked elsewhere. */
const OPTIONS: Record<string, Record<string, Check | undefined>> = {
  mfa: {
    userId: fn(' that takes the request and returns the user’s id'),
    code: fn(' that takes the request and returns the code'),
    proof: undefined,
    required: fn(),
    safeMode: bool,
    onEvent: fn(),
    routes: undefined,
  },
  'mfa.proof': {
    secret: [
      (value) => [value].flat().length > 0 && [value].flat().every(isSecret),
      `must be a string of at least ${MIN_SECRET_BYTES} bytes, or several of them, newest first: make one with openssl rand -base64 32`,
    ],
    ttlSeconds: [
      (value) => Number.isInteger(value) && value > 0,
      'must be a whole number above 0',
    ],
    cookie: [
      (value) =>
        typeof value === 'boolean' ||
        (typeof value === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(value)),
      'must be true, or the name of a cookie',
    ],
    header: bool,
    audience: [
      (value) => typeof value === 'string' && value !== '',
      'must be a string that is not empty',
    ],
    recheckSeconds: [
      (value) => Number.isFinite(value) && value >= 0,
      'must be a number of seconds, or 0 for never',
    ],
    bindTo: fn(' that takes the request and returns the session’s id'),
  },
  'mfa.routes': {
    path: undefined,
    guard: undefined,
    guards: undefined,
    recoverBy: undefined,
  },
};

/** Checks the option `mfa`. @throws Error one sentence that names the option and says what to do */
export function checkMfaOptions(
  mfa: MfaOptions | undefined,
): Readonly<MfaOptions> {
  if (mfa === undefined) return Object.freeze({});
  check('mfa', mfa);
  const { proof } = mfa;
  if (proof === undefined) return Object.freeze({ ...mfa });
  check('mfa.proof', { ...proof, secret: proof?.secret ?? '' });
  if (proof.header === false && !proof.cookie)
    throw invalid(
      'mfa.proof.header',
      'is false and mfa.proof.cookie is not set, so that no proof could be sent: set cookie, or leave out header',
    );
  return Object.freeze({ ...mfa, proof: Object.freeze({ ...proof }) });
}

function check(path: 'mfa' | 'mfa.proof' | 'mfa.routes', given: object): void {
  if (typeof given !== 'object' || given === null)
    throw invalid(path, 'must be an object');
  const checks = OPTIONS[path]!;
  const unknown = (option: string, problem: string) =>
    new Error(`GAuthifyModule: ${option}: ${problem}`);
  refuseUnknownOptions(given, Object.keys(checks), unknown, path);
  for (const [name, value] of Object.entries(given)) {
    const [isValid, problem] = checks[name] ?? [];
    if (value === undefined || !isValid || isValid(value)) continue;
    // The value of a secret stays out of the log.
    const found = name === 'secret' ? '' : `, not ${inspect(value)}`;
    throw invalid(`${path}.${name}`, `${problem}${found}`);
  }
}

/** Checks the option `mfa.routes` and fills in defaults. @throws Error one sentence that names the option and says what to do */
export function checkRoutes(option: Exclude<MfaRoutesOption, false>) {
  const routes =
    typeof option === 'object'
      ? option
      : { path: option === true ? undefined : option };
  check('mfa.routes', routes);
  const {
    path = 'mfa',
    guard = MfaGuard,
    guards = [],
    recoverBy = [],
  } = routes;
  if (guard !== MfaGuard && !(guard?.prototype instanceof MfaGuard))
    throw invalid('mfa.routes.guard', 'must be a class that extends MfaGuard');
  if (
    !Array.isArray(recoverBy) ||
    !recoverBy.every((channel: MfaChannel) => MFA_CHANNELS.includes(channel))
  )
    throw invalid(
      'mfa.routes.recoverBy',
      'must be a list of email, sms or voice',
    );
  return { path, guard, guards: guards as CanActivate[], recoverBy };
}
