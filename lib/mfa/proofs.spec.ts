import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { expect, it } from '@jest/globals';
import { MfaProofs } from './proofs.js';

it.each([
  [-1000, true],
  [0, true],
  // Clocks of two instances are never the same.
  [2, true],
  [60, false],
])(
  'takes a proof that was made %i seconds from now: %s',
  async (seconds, isTaken) => {
    const proofs = await MfaProofs.create(
      {
        secret: randomBytes(32).toString('base64'),
        ttlSeconds: 3600,
      },
      'key',
    );
    const proof = await proofs.sign(
      {
        userId: 'jane',
        method: 'totp',
        verifiedAt: new Date(Date.now() + seconds * 1000),
      },
      undefined,
    );

    expect((await proofs.verify(proof!, 'jane', undefined)) !== undefined).toBe(
      isTaken,
    );
  },
);
