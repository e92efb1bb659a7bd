/** Where an optional package is not installed, the application says so at start. */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { Test } from '@nestjs/testing';
import { expect, it, jest } from '@jest/globals';
import type { MfaOptions } from 'nestjs-gauthify';

for (const name of ['qrcode', 'jose'])
  jest.unstable_mockModule(name, () => {
    // As Node says it.
    throw Object.assign(
      new Error(`Cannot find package '${name}' imported from lib/mfa`),
      { code: 'ERR_MODULE_NOT_FOUND' },
    );
  });

const secret = randomBytes(32).toString('base64');

it.each<[MfaOptions, string | undefined]>([
  [
    { routes: true },
    'mfa.routes needs the package qrcode: run npm install qrcode.',
  ],
  [
    { proof: { secret } },
    'mfa.proof needs the package jose: run npm install jose.',
  ],
  [{}, undefined],
])('names what is missing for the options of row %#', async (mfa, problem) => {
  const { GAuthifyModule } = await import('nestjs-gauthify');
  const compiled = Test.createTestingModule({
    imports: [GAuthifyModule.forRoot({ apiKey: 'key', mfa })],
  }).compile();
  if (problem)
    await expect(compiled).rejects.toThrow(`GAuthifyModule: ${problem}`);
  else await (await compiled).close();
});
