import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
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

describe('a proof that was verified before', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  async function seen() {
    const proofs = await MfaProofs.create(
      {
        secret: randomBytes(32).toString('base64'),
        ttlSeconds: 60,
        bindTo: () => 's1',
      },
      'key',
    );
    const verification = {
      userId: 'jane',
      method: 'totp' as const,
      verifiedAt: new Date(),
      epoch: 'e1',
    };
    const proof = (await proofs.sign(verification, 's1'))!;
    const first = await proofs.verify(proof, 'jane', 's1');
    expect(first).toMatchObject({
      userId: 'jane',
      method: 'totp',
      epoch: 'e1',
    });
    return { proofs, proof, first };
  }

  it('is not verified again', async () => {
    const { proofs, proof, first } = await seen();
    const { subtle } = globalThis.crypto;
    const verify = jest.spyOn(subtle, 'verify');
    expect(await proofs.verify(proof, 'jane', 's1')).toEqual(first);
    expect(verify).not.toHaveBeenCalled();
    const altered = `${proof.slice(0, -2)}${proof.endsWith('AA') ? 'BB' : 'AA'}`;
    expect(await proofs.verify(altered, 'jane', 's1')).toBeUndefined();
    expect(verify).toHaveBeenCalledTimes(1);
  });

  it.each<[string, string, string | undefined, number]>([
    ['another user', 'joe', 's1', 0],
    ['another session', 'jane', 's2', 0],
    ['no session', 'jane', undefined, 0],
    ['a session without an id', 'jane', '', 0],
    ['a request after it expired', 'jane', 's1', 61],
    ['a clock that was set back', 'jane', 's1', -60],
  ])('is refused with %s', async (_, userId, binding, seconds) => {
    const { proofs, proof } = await seen();
    const now = Date.now() + seconds * 1000;
    jest.spyOn(Date, 'now').mockReturnValue(now);
    expect(await proofs.verify(proof, userId, binding)).toBeUndefined();
  });
});
