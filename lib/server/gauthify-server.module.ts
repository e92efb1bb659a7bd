import { type DynamicModule, Module } from '@nestjs/common';
import { ApiKeyGuard } from './api/api-key.guard.js';
import { ApiKeysService } from './api/api-keys.service.js';
import { CodesController } from './api/codes.controller.js';
import { HttpWire } from './api/http-wire.js';
import { ServiceController } from './api/service.controller.js';
import { UsersController } from './api/users.controller.js';
import { CLOCK } from './clock.js';
import { Attempts } from './codes/attempts.js';
import { CheckService } from './codes/check.service.js';
import { SentCodes } from './codes/sent-codes.js';
import { Tokens } from './codes/tokens.js';
import { DatabaseLifecycle } from './database/database-lifecycle.js';
import { createKeyring } from './database/create-keyring.js';
import { Keyring } from './database/keyring.js';
import { openDatabase } from './database/open-database.js';
import { DATABASE } from './database/schema.js';
import { DeliveryService } from './delivery/delivery.service.js';
import { Outbox } from './delivery/outbox.js';
import { SendAllowance } from './delivery/send-allowance.js';
import { SENDERS } from './delivery/sender.interface.js';
import { createSenders } from './delivery/create-senders.js';
import {
  type ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  GAUTHIFY_SERVER_OPTIONS,
  type OPTIONS_TYPE,
} from './gauthify-server.module-definition.js';
import { KeptAnswers } from './idempotency/kept-answers.js';
import { PagesController } from './pages/pages.controller.js';
import { QrImages } from './pages/qr-images.js';
import type { GAuthifyServerOptions } from './server-options.js';
import {
  SERVER_SETTINGS,
  settingsOf,
  type ServerSettings,
} from './settings.js';
import { Links } from './users/links.js';
import { UserView } from './users/user-view.js';
import { UsersService } from './users/users.service.js';

/**
 * A GAuthify v1 server in a Nest application, on Express or Fastify: the API at
 * `{path}/v1/`, and the pages its users link to below it.
 *
 * `path` mounts it elsewhere than at the root. A global prefix of the
 * application must exclude these routes (`exclude: ['v1/{*path}']`).
 */
@Module({
  controllers: [
    UsersController,
    CodesController,
    ServiceController,
    PagesController,
  ],
  providers: [
    {
      provide: SERVER_SETTINGS,
      inject: [GAUTHIFY_SERVER_OPTIONS],
      useFactory: settingsOf,
    },
    {
      provide: CLOCK,
      inject: [GAUTHIFY_SERVER_OPTIONS],
      useFactory: ({ now }: GAuthifyServerOptions) => now ?? Date.now,
    },
    {
      provide: DATABASE,
      inject: [SERVER_SETTINGS],
      useFactory: ({ database }: ServerSettings) => openDatabase(database),
    },
    {
      provide: Keyring,
      inject: [GAUTHIFY_SERVER_OPTIONS, SERVER_SETTINGS, DATABASE],
      useFactory: createKeyring,
    },
    {
      provide: SENDERS,
      inject: [GAUTHIFY_SERVER_OPTIONS, Outbox],
      useFactory: createSenders,
    },
    DatabaseLifecycle,
    HttpWire,
    KeptAnswers,
    ApiKeyGuard,
    ApiKeysService,
    UsersService,
    UserView,
    Links,
    QrImages,
    Attempts,
    CheckService,
    SentCodes,
    Tokens,
    SendAllowance,
    DeliveryService,
    Outbox,
  ],
  exports: [Outbox, ApiKeysService],
})
export class GAuthifyServerModule extends ConfigurableModuleClass {
  /** The server with these options. A wrong one stops the application with a `StartError`. */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return super.forRoot(options);
  }

  /** The server with options that are made at start: `imports`, `inject`, and `useFactory`, `useClass` or `useExisting`. */
  static override forRootAsync(
    options: typeof ASYNC_OPTIONS_TYPE,
  ): DynamicModule {
    return super.forRootAsync(options);
  }
}
