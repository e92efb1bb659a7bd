import { expect, it } from '@jest/globals';
import { loadPeer } from './load-peer.js';

it('says to install a package only where it is the one that is missing', async () => {
  const load = (name: string, error: Error) =>
    loadPeer(name, 'mfa.proof', () => Promise.reject(error));
  const absent: string = 'no-such-package';
  const missing = await import(absent).catch(
    (error: unknown) => error as Error,
  );
  await expect(load('no-such-package', missing)).rejects.toThrow(
    'GAuthifyModule: mfa.proof needs the package no-such-package: run npm install no-such-package.',
  );
  for (const cause of [missing, new SyntaxError('Unexpected token')])
    await expect(load('jose', cause)).rejects.toMatchObject({
      message: `GAuthifyModule: mfa.proof could not load the package jose: ${cause.message}`,
      cause,
    });
});
