import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { Test } from '@nestjs/testing';
import { GAuthifyModule } from '../gauthify.module.js';
import { MfaGuard } from './mfa.guard.js';

// What it does with HTTP is in test/client/mfa-guard.e2e-spec.ts.
it.each(['rpc', 'ws', 'graphql'])(
  'says what to do where it is put on a handler of %s, and lets nobody in',
  async (type) => {
    const module = await Test.createTestingModule({
      imports: [GAuthifyModule.forRoot({ apiKey: 'key' })],
      providers: [MfaGuard],
    }).compile();
    const context = new ExecutionContextHost([{}, {}]);
    context.setType(type);
    await expect(module.get(MfaGuard).canActivate(context)).rejects.toThrow(
      `MfaGuard works with HTTP, not with ${type}: take it off this handler, or override its getHttp().`,
    );
    await module.close();
  },
);
