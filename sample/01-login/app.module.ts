import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { Request } from 'express';
import { GAuthifyModule } from 'nestjs-gauthify';
import { GAuthifyServerModule } from 'nestjs-gauthify/server';
import { AccountsService } from './accounts/accounts.service.js';
import {
  openAccounts,
  ACCOUNTS_DATABASE,
} from './accounts/accounts.database.js';
import { DEFAULT_LIMITS, Limits } from './accounts/limits.js';
import { Passwords } from './accounts/passwords.js';
import { type SampleOptions, urlOf } from './environment.js';
import { AccountController } from './pages/account.controller.js';
import { CodeController } from './pages/code.controller.js';
import { CodePage } from './pages/code.page.js';
import { OutboxController } from './pages/outbox.controller.js';
import { PageFilter } from './pages/page.filter.js';
import { RegisterController } from './pages/register.controller.js';
import { SignInController } from './pages/sign-in.controller.js';
import { codeOf } from './second-factor/code-of.js';
import {
  ISSUER,
  SecondFactorService,
} from './second-factor/second-factor.service.js';

/** An application with accounts, a GAuthify server, and what connects the two. */
@Module({})
export class AppModule {
  static register(options: SampleOptions): DynamicModule {
    // Both ends of it are in this process, so it may be another at each start.
    const apiKey = randomBytes(24).toString('hex');
    return {
      module: AppModule,
      imports: [
        GAuthifyServerModule.forRoot({
          path: 'gauthify',
          database: `sqlite:${join(options.dataDir, 'gauthify.sqlite')}`,
          apiKeys: [{ realm: 'sample', key: apiKey }],
          issuer: ISSUER,
          smtp: options.smtp,
          now: options.now,
        }),
        GAuthifyModule.forRoot({
          apiKey,
          accessPoints: [`${urlOf(options)}/gauthify/v1/`],
          mfa: {
            userId: (request: Request) => request.session.accountId,
            code: codeOf,
          },
        }),
      ],
      controllers: [
        SignInController,
        RegisterController,
        CodeController,
        AccountController,
        OutboxController,
      ],
      providers: [
        {
          provide: ACCOUNTS_DATABASE,
          useFactory: () => openAccounts(options.dataDir),
        },
        {
          provide: Limits,
          useFactory: () =>
            new Limits(
              { ...DEFAULT_LIMITS, ...options.limits },
              options.now ?? Date.now,
            ),
        },
        {
          provide: Passwords,
          useFactory: () => new Passwords(options.passwordCost),
        },
        { provide: APP_FILTER, useClass: PageFilter },
        AccountsService,
        SecondFactorService,
        CodePage,
      ],
    };
  }
}
