import { createHash, createHmac, webcrypto } from 'node:crypto';
import type * as Jose from 'jose';
import type { AuthMethod } from '../dto/check-result.dto.js';
import type {
  MfaProofOptions,
  MfaVerification,
} from '../interfaces/mfa-options.interface.js';

const ALGORITHM = 'HS256';
const TYPE = 'mfa-proof+jwt';
const AUDIENCE = 'nestjs-gauthify';
const DEFAULT_TTL_SECONDS = 900;
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
}

/** What a proof is checked against. */
export interface ProofDemand {
  userId: string;
  /** What the request is bound to; `undefined` where proofs are bound to the user alone. */
  binding: string | undefined;
}

/**
 * Proofs that a user passed their second factor: JWTs [RFC 7519] with `sub`,
 * `auth_time`, `amr` [RFC 8176], `aud`, `exp`, and a key id for rotation. One
 * algorithm, pinned: what names another, or `none`, is no proof.
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
  static async create(options: MfaProofOptions): Promise<MfaProofs> {
    const jose = await import('jose').catch((cause: unknown) => {
      throw new Error(
        'GAuthifyModule: mfa.proof needs the package jose: run npm install jose.',
        { cause },
      );
    });
    const keys = await Promise.all([options.secret].flat().map(importKey));
    return new MfaProofs(options, keys, jose);
  }

  /** Signs a proof of a verification. */
  async sign(
    { userId, method, verifiedAt }: MfaVerification,
    binding: string | undefined,
  ): Promise<string> {
    const [key] = this.keys;
    const authTime = Math.floor(verifiedAt.getTime() / 1000);
    return await new this.jose.SignJWT({
      auth_time: authTime,
      amr: method ? [AMR[method], 'mfa'] : ['mfa'],
      ...(method ? { method } : {}),
      ...(binding === undefined ? {} : { bnd: digest(binding) }),
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: key!.id })
      .setSubject(userId)
      .setAudience(AUDIENCE)
      .setIssuedAt(authTime)
      .setExpirationTime(authTime + this.ttlSeconds)
      .sign(key!.key);
  }

  /**
   * What a proof says, `undefined` where it is none: altered, expired, of
   * another user, session, key or purpose. Does not tell which.
   */
  async verify(
    proof: string,
    { userId, binding }: ProofDemand,
  ): Promise<MfaVerification | undefined> {
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
          audience: AUDIENCE,
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
      const method = payload.method as AuthMethod | undefined;
      return { userId, method: method ?? null, verifiedAt };
    } catch {
      return undefined;
    }
  }
}

/** Session ids stay out of what the client can read. */
const digest = (value: string): string =>
  createHash('sha256').update(value).digest('base64url');

/** Imported once: of raw bytes it would be with each proof, which doubles its cost. */
async function importKey(secret: string): Promise<Key> {
  return {
    // Tells keys apart, and nothing of them.
    id: createHmac('sha256', secret)
      .update('key id')
      .digest('base64url')
      .slice(0, 8),
    key: await webcrypto.subtle.importKey(
      'raw',
      new TextEncoder().encode(secret),
      { name: 'HMAC', hash: 'SHA-256' },
      false,
      ['sign', 'verify'],
    ),
  };
}
