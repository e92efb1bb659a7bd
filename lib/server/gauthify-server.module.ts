import { type DynamicModule, Module } from '@nestjs/common';
import { ApiKeyGuard } from './v1/api-key.guard.js';
import { ApiKeysService } from './realms/api-keys.service.js';
import { CodesController } from './v1/codes.controller.js';
import { HttpWire } from './v1/http-wire.js';
import { ServiceController } from './v1/service.controller.js';
import { UsersController } from './v1/users.controller.js';
import { CLOCK } from './settings/clock.js';
import { Attempts } from './factors/attempts.js';
import { CheckService } from './factors/check.service.js';
import { SentCodes } from './factors/sent-codes.js';
import { Tokens } from './factors/tokens.js';
import { DatabaseLifecycle } from './store/database-lifecycle.js';
import { createKeyring } from './store/create-keyring.js';
import { Keyring } from './store/keyring.js';
import { openDatabase } from './store/open-database.js';
import { DATABASE } from './store/schema.js';
import { DeliveryService } from './delivery/delivery.service.js';
import { Outbox } from './delivery/outbox.js';
import { SendAllowance } from './delivery/send-allowance.js';
import { SENDERS } from './settings/sender.interface.js';
import { createSenders } from './delivery/create-senders.js';
import {
  type ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  GAUTHIFY_SERVER_OPTIONS,
  type OPTIONS_TYPE,
} from './gauthify-server.module-definition.js';
import { KeptAnswers } from './store/kept-answers.js';
import { PagesController } from './pages/pages.controller.js';
import { QrImages } from './pages/qr-images.js';
import type { GAuthifyServerOptions } from './settings/server-options.js';
import {
  SERVER_SETTINGS,
  settingsOf,
  type ServerSettings,
} from './settings/settings.js';
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
