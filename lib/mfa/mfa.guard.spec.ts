import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { Test } from '@nestjs/testing';
import { GAuthifyModule } from '../gauthify.module.js';
import { MfaGuard } from './mfa.guard.js';

// What it does in each transport is in test/mfa.
it.each([
  [
    'a transport nobody knows',
    'smoke',
    'MfaGuard does not know the transport smoke',
  ],
  [
    'a GraphQL context without a request',
    'graphql',
    'MfaGuard finds no request in the GraphQL context: put it there as req.',
  ],
])('lets nobody in on %s, and says what to do', async (_, type, message) => {
  const module = await Test.createTestingModule({
    imports: [GAuthifyModule.forRoot({ apiKey: 'key' })],
    providers: [MfaGuard],
  }).compile();
  class Resolver {}
  const context = new ExecutionContextHost([{}, {}, {}], Resolver, () => {});
  context.setType(type);
  await expect(module.get(MfaGuard).canActivate(context)).rejects.toThrow(
    message,
  );
  await module.close();
});
