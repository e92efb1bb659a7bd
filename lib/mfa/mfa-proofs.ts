import { createHash, createHmac, webcrypto } from 'node:crypto';
import type * as Jose from 'jose';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import type { MfaProofOptions, MfaVerification } from './mfa.options.js';
import { loadPeer } from './load-peer.js';

const ALGORITHM = 'HS256';
const TYPE = 'mfa-proof+jwt';
const DEFAULT_TTL_SECONDS = 900;
/** Longest that is looked at, characters: as long as a cookie may be [RFC 6265bis §5.6]. */
const MAX_LENGTH = 4096;
/** How far the clocks of two instances may be apart. */
const CLOCK_SKEW_MS = 5_000;

/** RFC 8176 names of the kinds of code. */
const AMR: Record<AuthMethod, string> = {
  totp: 'otp',
  otp: 'otp',
  email: 'otp',
  sms: 'sms',
  voice: 'tel',
};

interface Key {
  id: string;
  key: webcrypto.CryptoKey;
  audience: string;
}

/** What a proof is checked against. */
export interface ProofDemand {
  userId: string;
  /** What the request is bound to; `undefined` where proofs are bound to the user alone. */
  binding: string | undefined;
}

/**
 * Proofs that a user passed their second factor: JWTs [RFC 7519] with `sub`,
 * `auth_time`, `amr` [RFC 8176], `aud`, `exp`, the user's `epoch`, and a key id for rotation. One
 * algorithm, pinned: a JWT that names another, or `none`, is refused.
 */
export class MfaProofs {
  readonly ttlSeconds: number;

  private constructor(
    options: MfaProofOptions,
    private readonly keys: readonly Key[],
    private readonly jose: typeof Jose,
  ) {
    this.ttlSeconds = options.ttlSeconds ?? DEFAULT_TTL_SECONDS;
  }

  /** @throws Error where `jose` is not installed */
  static async create(
    options: MfaProofOptions,
    apiKey: string,
  ): Promise<MfaProofs> {
    const jose = await loadPeer('jose', 'mfa.proof', () => import('jose'));
    const keys = await Promise.all(
      [options.secret]
        .flat()
        .map((secret) => importKey(secret, apiKey, options.audience)),
    );
    return new MfaProofs(options, keys, jose);
  }

  /** Signs a proof of a verification. */
  async sign(
    { userId, method, verifiedAt, epoch }: MfaVerification,
    binding: string | undefined,
  ): Promise<string> {
    const [key] = this.keys;
    const authTime = Math.floor(verifiedAt.getTime() / 1000);
    return await new this.jose.SignJWT({
      auth_time: authTime,
      amr: method ? [AMR[method], 'mfa'] : ['mfa'],
      ...(method ? { method } : {}),
      ...(epoch === undefined ? {} : { epoch }),
      ...(binding === undefined ? {} : { bnd: digest(binding) }),
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: key!.id })
      .setSubject(userId)
      .setAudience(key!.audience)
      .setIssuedAt(authTime)
      .setExpirationTime(authTime + this.ttlSeconds)
      .sign(key!.key);
  }

  /**
   * What a proof says, `undefined` where it is none: altered, expired, of
   * another user, session, key or application. Does not tell which.
   */
  async verify(
    proof: string,
    { userId, binding }: ProofDemand,
  ): Promise<MfaVerification | undefined> {
    if (proof.length > MAX_LENGTH) return undefined;
    try {
      const { payload } = await this.jose.jwtVerify(
        proof,
        ({ kid }) => {
          const key = this.keys.find(({ id }) => id === kid);
          if (!key) throw new Error('unknown key');
          return key.key;
        },
        {
          algorithms: [ALGORITHM],
          typ: TYPE,
          audience: this.keys.map(({ audience }) => audience),
          subject: userId,
          requiredClaims: ['exp', 'auth_time'],
          currentDate: new Date(Date.now()),
        },
      );
      const expected = binding === undefined ? undefined : digest(binding);
      const authTime = payload.auth_time;
      if (payload.bnd !== expected || typeof authTime !== 'number')
        return undefined;
      const verifiedAt = new Date(authTime * 1000);
      // Whoever could set the clock of the signer forward made a proof that never ages.
      if (verifiedAt.getTime() > Date.now() + CLOCK_SKEW_MS) return undefined;
      const { method, epoch } = payload as {
        method?: AuthMethod;
        epoch?: string;
      };
      return { userId, method: method ?? null, verifiedAt, epoch };
    } catch {
      return undefined;
    }
  }
}

/** Session ids stay out of what the client can read. */
const digest = (value: string): string =>
  createHash('sha256').update(value).digest('base64url');

/** Imported once: given as raw bytes it would be imported for each proof, which doubles its cost. */
async function importKey(
  secret: string,
  apiKey: string,
  audience: string | undefined,
): Promise<Key> {
  const hmac = (text: string) =>
    createHmac('sha256', secret).update(text).digest('base64url');
  return {
    // Tells keys apart, and reveals nothing of them.
    id: hmac('key id').slice(0, 8),
    // Whoever reads a proof cannot try API keys against it without the secret.
    audience: audience ?? hmac(`audience\n${apiKey}`),
    key: await webcrypto.subtle.importKey(
      'raw',
      new TextEncoder().encode(secret),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign', 'verify'],
    ),
  };
}
