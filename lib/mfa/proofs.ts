import { Logger } from '@nestjs/common';
import { createHmac, hash, webcrypto } from 'node:crypto';
import type * as Jose from 'jose';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import { loadPeer } from './load-peer.js';
import type { MfaProofOptions, MfaVerification } from './mfa.options.js';

const ALGORITHM = 'HS256';
const TYPE = 'mfa-proof+jwt';
/** How long proofs live, and how long the verification of a socket counts. */
const DEFAULT_TTL_SECONDS = 900;
/** Longer proofs are not looked at, characters: the most that a cookie can hold [RFC 6265bis §5.6]. */
const MAX_LENGTH = 4096;
/** How far the clocks of two instances may be apart. */
const CLOCK_SKEW_MS = 5_000;
/** Proofs whose signature need not be verified again. */
const CAPACITY = 10_000;

/** RFC 8176 names of the kinds of code. */
const AMR: Record<AuthMethod, string> = {
  totp: 'otp',
  otp: 'otp',
  recovery: 'otp',
  email: 'otp',
  sms: 'sms',
  voice: 'tel',
};

interface Key {
  id: string;
  key: webcrypto.CryptoKey;
  audience: string;
}

/** What a proof with a valid signature says. */
interface Claims {
  readonly userId: string;
  readonly expiresAt: number;
  readonly verifiedAt: number;
  /** Digest of the binding. */
  readonly binding: string | undefined;
  readonly method: AuthMethod | null;
  readonly epoch: string | undefined;
}

/**
 * Proofs that a user passed their second factor: JWTs [RFC 7519] with `sub`,
 * `auth_time`, `amr` [RFC 8176], `aud`, `exp`, the user's `epoch`, and a key id
 * for rotation. The algorithm is pinned: a JWT that names another one, or
 * `none`, is refused. Where `mfa.proof` is not set, none is signed or accepted.
 */
export class MfaProofs {
  readonly ttlSeconds: number;
  private readonly logger = new Logger('MfaGuard');
  private hasWarned = false;

  /**
   * Claims whose signature, key and audience were verified, by SHA-256 of the
   * proof. They hold for the life of this object, as its keys do; what can
   * change in that time (user, binding, expiry) is compared for each request.
   */
  private readonly verified = new Map<string, Claims>();

  private constructor(
    private readonly options: MfaProofOptions | undefined,
    private readonly keys: readonly Key[],
    private readonly jose: typeof Jose,
  ) {
    this.ttlSeconds = options?.ttlSeconds ?? DEFAULT_TTL_SECONDS;
  }

  /** @throws Error `jose` is not installed */
  static async create(
    options: MfaProofOptions | undefined,
    apiKey: string,
  ): Promise<MfaProofs> {
    if (!options) return new MfaProofs(undefined, [], undefined as never);
    const jose = await loadPeer('jose', 'mfa.proof', () => import('jose'));
    const { secret, audience } = options;
    const keys = [secret].flat().map((it) => importKey(it, apiKey, audience));
    return new MfaProofs(options, await Promise.all(keys), jose);
  }

  /** A proof of a verification; `undefined` where there is nothing to bind it to, or no proofs are used. */
  async sign(
    { userId, method, verifiedAt, epoch }: MfaVerification,
    binding: string | undefined,
  ): Promise<string | undefined> {
    const [key] = this.keys;
    if (!key) return undefined;
    if (!this.mayBind(binding)) {
      this.warnOfBinding(binding);
      return undefined;
    }
    const authTime = Math.floor(verifiedAt.getTime() / 1000);
    return await new this.jose.SignJWT({
      auth_time: authTime,
      amr: method ? [AMR[method], 'mfa'] : ['mfa'],
      ...(method ? { method } : {}),
      ...(epoch === undefined ? {} : { epoch }),
      ...(binding === undefined ? {} : { bnd: digest(binding) }),
    })
      .setProtectedHeader({ alg: ALGORITHM, typ: TYPE, kid: key.id })
      .setSubject(userId)
      .setAudience(key.audience)
      .setIssuedAt(authTime)
      .setExpirationTime(authTime + this.ttlSeconds)
      .sign(key.key);
  }

  /**
   * What a proof says; `undefined` where it is altered, expired, or one of
   * another user, session, key or application. Does not tell which.
   */
  async verify(
    proof: string,
    userId: string,
    binding: string | undefined,
  ): Promise<MfaVerification | undefined> {
    if (!this.mayBind(binding) || proof.length > MAX_LENGTH) return undefined;
    const id = hash('sha256', proof, 'base64url');
    const claims =
      this.verified.get(id) ?? (await this.verifySignature(proof, id));
    const now = Date.now();
    if (
      !claims ||
      claims.userId !== userId ||
      claims.binding !== (binding === undefined ? undefined : digest(binding))
    )
      return undefined;
    if (claims.expiresAt <= now) {
      this.verified.delete(id);
      return undefined;
    }
    // The clock that signed it was ahead: such a proof would live too long.
    if (claims.verifiedAt > now + CLOCK_SKEW_MS) return undefined;
    const { method, epoch } = claims;
    return { userId, method, verifiedAt: new Date(claims.verifiedAt), epoch };
  }

  /** A proof that should be bound and is bound to nothing would be accepted in any session. */
  private mayBind(binding: unknown): boolean {
    if (!this.options) return false;
    if (binding === undefined) return !this.options.bindTo;
    return typeof binding === 'string' && binding !== '';
  }

  /** Once: otherwise each request would ask for a code, and nothing would say why. */
  private warnOfBinding(binding: unknown): void {
    if (this.hasWarned) return;
    this.hasWarned = true;
    const found =
      binding === undefined
        ? 'undefined'
        : binding === ''
          ? 'an empty string'
          : `a value of type ${typeof binding}`;
    this.logger.warn(
      `No proof is made: mfa.proof.bindTo returned ${found}, or MfaService.verify was called without a binding, so each request needs a code. Return a string that the session keeps, such as its id or the jti of its token.`,
    );
  }

  private async verifySignature(
    proof: string,
    id: string,
  ): Promise<Claims | undefined> {
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
          requiredClaims: ['sub', 'exp', 'auth_time'],
          currentDate: new Date(Date.now()),
        },
      );
      // We signed it: only `auth_time` is not one of the claims that jose checks.
      const { auth_time, method, epoch } = payload as Partial<Claims> & {
        auth_time: unknown;
      };
      if (typeof auth_time !== 'number') return undefined;
      const claims: Claims = {
        userId: payload.sub!,
        expiresAt: payload.exp! * 1000,
        verifiedAt: auth_time * 1000,
        binding: payload['bnd'] as string | undefined,
        method: method ?? null,
        epoch,
      };
      this.keep(id, claims);
      return claims;
    } catch {
      return undefined;
    }
  }

  /** Drops the oldest entries as long as they are expired or too many: a Map keeps the order of insertion. */
  private keep(id: string, claims: Claims): void {
    this.verified.set(id, claims);
    for (const [oldest, { expiresAt }] of this.verified) {
      if (expiresAt > Date.now() && this.verified.size <= CAPACITY) break;
      this.verified.delete(oldest);
    }
  }
}

/** Keeps the ids of sessions out of what the client can read. */
const digest = (value: string): string => hash('sha256', value, 'base64url');

/** Imports the key once: jose would import raw bytes again for each proof. */
async function importKey(
  secret: string,
  apiKey: string,
  audience: string | undefined,
): Promise<Key> {
  const hmac = (text: string) =>
    createHmac('sha256', secret).update(text).digest('base64url');
  return {
    // Tells keys apart, and reveals nothing of the secret.
    id: hmac('key id').slice(0, 8),
    // Without the secret, a proof cannot be used to guess the API key.
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
