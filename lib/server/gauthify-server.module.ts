import { type DynamicModule, Module } from '@nestjs/common';
import { ApiKeyGuard } from './v1/api-key.guard.js';
import { ApiKeysService } from './realms/api-keys.service.js';
import { Calls } from './v1/calls.js';
import { CodesController } from './v1/codes.controller.js';
import { FactorsController } from './v1/factors.controller.js';
import { V1Compatibility } from './v1/v1-compatibility.js';
import { ServiceController } from './v1/service.controller.js';
import { UsersController } from './v1/users.controller.js';
import { AuditLog } from './audit/audit-log.js';
import { AuditTrail } from './audit/audit-trail.js';
import { CLOCK } from './settings/clock.js';
import { DATABASE_USE, type DatabaseUse } from './settings/database-use.js';
import { AttemptLimiter } from './factors/attempt-limiter.js';
import { CheckDecision } from './factors/check-decision.js';
import { CodeMatcher } from './factors/code-matcher.js';
import { CheckService } from './factors/check.service.js';
import { FactorsService } from './factors/factors.service.js';
import { NewFactors } from './factors/new-factors.js';
import { SentCodes } from './factors/sent-codes.js';
import { RecoveryCodes } from './factors/recovery-codes.js';
import { Tokens } from './factors/tokens.js';
import { createDataKeys, createKeyring } from './store/create-keyring.js';
import { DataKeys } from './store/data-keys.js';
import { KeyRotation } from './store/key-rotation.js';
import { Keyring } from './store/keyring.js';
import {
  DATABASE,
  type Database,
  DatabaseLifecycle,
} from './store/database.js';
import { FactorSecrets } from './store/factor-secrets.js';
import { openDatabase } from './store/open-database.js';
import { DeliveryService } from './delivery/delivery.service.js';
import { createSenders } from './delivery/create-senders.js';
import { PumpingGuard } from './delivery/pumping-guard.js';
import { Outbox } from './delivery/outbox.js';
import { InFlight } from './store/in-flight.js';
import { MetricsListener } from './observability/metrics-listener.js';
import { Observer } from './observability/observer.js';
import { RequestObserver } from './observability/request-observer.js';
import { Readiness } from './health/readiness.js';
import { SendAllowance } from './delivery/send-allowance.js';
import { SENDERS } from './settings/sender.interface.js';
import { SendersService } from './delivery/senders.service.js';
import {
  type ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  GAUTHIFY_SERVER_OPTIONS,
  type OPTIONS_TYPE,
} from './gauthify-server.module-definition.js';
import {
  IDEMPOTENCY_SCOPE,
  IdempotencyStore,
  readScope,
} from './store/idempotency-store.js';
import { PagesController } from './pages/pages.controller.js';
import { PageUsers } from './pages/page-users.js';
import { QrController } from './pages/qr.controller.js';
import { RealmsService } from './realms/realms.service.js';
import { StoredKeys } from './realms/stored-keys.js';
import { QrImages } from './pages/qr-images.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
  settingsOf,
} from './settings/server.options.js';
import { Links } from './users/links.js';
import { UserView } from './users/user-view.js';
import { UsersService } from './users/users.service.js';

/**
 * A GAuthify v1 server in a Nest application, on Express or Fastify: the API and
 * the users' pages, at `{path}/v1/`.
 *
 * `path` mounts it elsewhere than at the root. A global prefix of the application
 * must exclude its routes, with `path` in front: for the path `gauthify`,
 * `exclude: ['gauthify/{*path}']`.
 */
@Module({
  controllers: [
    UsersController,
    CodesController,
    FactorsController,
    ServiceController,
    PagesController,
    QrController,
  ],
  providers: [
    {
      provide: SERVER_SETTINGS,
      inject: [GAUTHIFY_SERVER_OPTIONS],
      useFactory: settingsOf,
    },
    {
      provide: CLOCK,
      inject: [SERVER_SETTINGS],
      useFactory: ({ now }: ServerSettings) => now,
    },
    {
      provide: DATABASE,
      inject: [SERVER_SETTINGS, DATABASE_USE],
      useFactory: ({ database }: ServerSettings, use: DatabaseUse) =>
        openDatabase(database, use),
    },
    { provide: DATABASE_USE, useValue: 'serve' satisfies DatabaseUse },
    {
      provide: DataKeys,
      inject: [
        GAUTHIFY_SERVER_OPTIONS,
        SERVER_SETTINGS,
        DATABASE,
        DATABASE_USE,
      ],
      useFactory: createDataKeys,
    },
    {
      provide: Keyring,
      inject: [SERVER_SETTINGS, DATABASE, DataKeys, DATABASE_USE],
      useFactory: createKeyring,
    },
    KeyRotation,
    AuditLog,
    AuditTrail,
    {
      provide: Observer,
      inject: [SERVER_SETTINGS, DATABASE],
      useFactory: (settings: ServerSettings, database: Database) =>
        Observer.load(settings, database),
    },
    {
      provide: IDEMPOTENCY_SCOPE,
      inject: [DATABASE],
      useFactory: (database: Database) => readScope(database),
    },
    {
      provide: SENDERS,
      inject: [GAUTHIFY_SERVER_OPTIONS, Outbox],
      useFactory: createSenders,
    },
    DatabaseLifecycle,
    InFlight,
    RequestObserver,
    MetricsListener,
    Readiness,
    V1Compatibility,
    IdempotencyStore,
    ApiKeyGuard,
    ApiKeysService,
    StoredKeys,
    RealmsService,
    FactorSecrets,
    FactorsService,
    NewFactors,
    CheckDecision,
    CodeMatcher,
    Calls,
    UsersService,
    UserView,
    Links,
    QrImages,
    PageUsers,
    AttemptLimiter,
    CheckService,
    SentCodes,
    RecoveryCodes,
    Tokens,
    SendAllowance,
    PumpingGuard,
    DeliveryService,
    SendersService,
    Outbox,
  ],
  exports: [Outbox, ApiKeysService],
})
export class GAuthifyServerModule extends ConfigurableModuleClass {
  /** The server with these options. @throws StartError at start if an option is unknown or wrong */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return super.forRoot(options);
  }

  /** The server with options made at start: `imports`, `inject`, and `useFactory`, `useClass` or `useExisting`. */
  static override forRootAsync(
    options: typeof ASYNC_OPTIONS_TYPE,
  ): DynamicModule {
    return super.forRootAsync(options);
  }
}
