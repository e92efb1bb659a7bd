import { randomBytes } from 'node:crypto';
import { type DynamicModule, Module } from '@nestjs/common';
import type { Request } from 'express';
import { GAuthifyModule } from 'nestjs-gauthify';
import { GAuthifyServerModule } from 'nestjs-gauthify/server';
import { PaymentsController } from './payments.controller.js';
import { SignInController } from './sign-in.controller.js';
import { SignedInGuard } from './signed-in.guard.js';

/** What the sample can be told. */
export interface SampleOptions {
  port: number;
  /** The GAuthify server's time, milliseconds since 1970. For tests. @default `Date.now` */
  now?: () => number;
}

/** Asks for a second factor once, remembers it for 15 minutes, and asks again before a payment. */
@Module({})
export class AppModule {
  static register({ port, now }: SampleOptions): DynamicModule {
    const apiKey = randomBytes(24).toString('hex');
    return {
      module: AppModule,
      imports: [
        GAuthifyServerModule.forRoot({
          path: 'gauthify',
          database: 'sqlite::memory:',
          apiKeys: [{ realm: 'sample', key: apiKey }],
          issuer: 'Step-up sample',
          now,
        }),
        GAuthifyModule.forRoot({
          isGlobal: true,
          apiKey,
          accessPoints: [`http://127.0.0.1:${port}/gauthify/v1/`],
          mfa: {
            userId: (request: Request) => request.session.userId,
            proof: {
              // The same at each start, in an application that should remember over one.
              secret: randomBytes(32).toString('base64'),
              cookie: true,
              bindTo: (request: Request) => request.sessionID,
            },
            routes: { guards: [SignedInGuard] },
          },
        }),
      ],
      controllers: [SignInController, PaymentsController],
    };
  }
}
