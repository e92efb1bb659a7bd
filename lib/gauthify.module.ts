import { HttpModule } from '@nestjs/axios';
import { Module, type DynamicModule } from '@nestjs/common';
import {
  type ASYNC_OPTIONS_TYPE,
  checkAsyncExtras,
  checkSyncExtras,
  ConfigurableModuleClass,
  GAUTHIFY_GIVEN_OPTIONS,
  type GAuthifyModuleExtras,
  type GAuthifyModuleOptions,
  type OPTIONS_TYPE,
  resolveOptions,
} from './gauthify.module-definition.js';
import { GAuthifyService } from './client/gauthify.service.js';
import { GAuthifyHealthIndicator } from './client/health.indicator.js';
import { getGAuthifyToken } from './client/inject-gauthify.decorator.js';
import type {
  GAuthifyResolvedOptions,
  MfaRoutesOption,
} from './mfa/mfa.options.js';
import { CodeChecks } from './mfa/code-checks.js';
import { Enrolment } from './mfa/enrolment.js';
import { KnownUsers } from './mfa/known-users.js';
import { MfaEvents } from './mfa/mfa-events.js';
import { createMfaController } from './mfa/mfa.controller.js';
import { MfaService } from './mfa/mfa.service.js';
import { OutageLog } from './mfa/outage-log.js';
import { MfaProofs } from './mfa/proofs.js';
import { QrCodes } from './mfa/qr-codes.js';
import { SecondFactorService } from './mfa/second-factor.service.js';
import {
  GAUTHIFY_MODULE_OPTIONS,
  invalid,
  warnOfPlainHttp,
} from './client/client.options.js';
import { CLIENT_CLOCK } from './client/transport/access-point.js';
import { AxiosClient } from './client/transport/axios-client.js';
import { GAuthifyTransport } from './client/transport/call.js';
import { HTTP_CLIENT } from './client/transport/http-client.js';
import { OutageProbe } from './client/transport/outage-probe.js';
import { Telemetry } from './client/transport/telemetry.js';
import { UndiciClient } from './client/transport/undici-client.js';

/** Token of the check that no factory returned `mfa.routes`. */
const LATE_ROUTES = Symbol('LATE_ROUTES');

/**
 * Gives an application `GAuthifyService`, and what `MfaGuard` needs.
 *
 * A wrong option stops the application at start, with one sentence that names it.
 */
@Module({
  providers: [
    {
      provide: GAUTHIFY_MODULE_OPTIONS,
      useFactory: (given: GAuthifyModuleOptions) => {
        const options = resolveOptions(given);
        warnOfPlainHttp(options.accessPoints);
        return options;
      },
      inject: [GAUTHIFY_GIVEN_OPTIONS],
    },
    {
      provide: MfaProofs,
      useFactory: ({ mfa, apiKey }: GAuthifyResolvedOptions) =>
        MfaProofs.create(mfa.proof, apiKey),
      inject: [GAUTHIFY_MODULE_OPTIONS],
    },
    { provide: CLIENT_CLOCK, useValue: () => performance.now() },
    { provide: Telemetry, useFactory: () => Telemetry.load() },
    { provide: HTTP_CLIENT, useClass: AxiosClient },
    GAuthifyTransport,
    OutageProbe,
    GAuthifyService,
    GAuthifyHealthIndicator,
    MfaEvents,
    OutageLog,
    KnownUsers,
    CodeChecks,
    SecondFactorService,
    MfaService,
  ],
})
export class GAuthifyModule extends ConfigurableModuleClass {
  /**
   * Configures the module with values known when the code is loaded.
   *
   * @param options {@link GAuthifyModuleOptions} and {@link GAuthifyModuleExtras}
   *
   * @example
   * ```ts
   * GAuthifyModule.forRoot({ apiKey: '…', accessPoints: ['https://auth.example.com/v1/'] })
   * ```
   */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    checkSyncExtras(options);
    return assemble(super.forRoot(options), options, options.mfa?.routes);
  }

  /**
   * Configures the module with values other providers know, such as those of
   * `@nestjs/config`: by `useFactory` with `inject`, or by `useClass` or
   * `useExisting` of a {@link GAuthifyOptionsFactory}. {@link GAuthifyModuleExtras} as in `forRoot`.
   *
   * @example
   * ```ts
   * GAuthifyModule.forRootAsync({
   *   imports: [ConfigModule],
   *   inject: [ConfigService],
   *   useFactory: (config: ConfigService) => ({
   *     apiKey: config.getOrThrow<string>('GAUTHIFY_API_KEY'),
   *     accessPoints: config.get<string>('GAUTHIFY_ACCESS_POINTS')?.split(','),
   *   }),
   * })
   * ```
   */
  static override forRootAsync(
    given: typeof ASYNC_OPTIONS_TYPE & {
      /** As `mfa.routes`: routes are mounted before options are made. */
      mfaRoutes?: MfaRoutesOption | undefined;
    },
  ): DynamicModule {
    checkAsyncExtras(given);
    const { mfaRoutes, ...options } = given;
    const module = assemble(super.forRootAsync(options), options, mfaRoutes);
    module.providers!.push({
      provide: LATE_ROUTES,
      useFactory: ({ mfa }: GAuthifyResolvedOptions) => {
        if (mfa.routes)
          throw invalid(
            'mfa.routes',
            'comes too late from a factory, for routes are mounted before it runs: move it to mfaRoutes, beside useFactory, useClass or useExisting',
          );
      },
      inject: [GAUTHIFY_MODULE_OPTIONS],
    });
    return module;
  }
}

/** Adds what depends on whether the module has a name, whose connections it uses, and whether it has routes. */
function assemble(
  module: DynamicModule,
  { name, http }: GAuthifyModuleExtras,
  routes: MfaRoutesOption | undefined,
): DynamicModule {
  const token = getGAuthifyToken(name);
  return {
    ...module,
    imports: [
      ...(module.imports ?? []),
      // An axios instance of our own: interceptors which the application puts on
      // the shared one must not see the API key and people's codes.
      http ?? HttpModule.register({}),
    ],
    controllers: routes ? [createMfaController(routes)] : [],
    providers: [
      ...(module.providers ?? []),
      ...(http ? [] : [UndiciClient]),
      ...(name ? [{ provide: token, useExisting: GAuthifyService }] : []),
      ...(routes
        ? [Enrolment, { provide: QrCodes, useFactory: () => QrCodes.load() }]
        : []),
    ],
    // Of one with a name, nothing that could be taken for that of another.
    exports: name
      ? [token]
      : [
          GAuthifyService,
          GAUTHIFY_MODULE_OPTIONS,
          GAuthifyHealthIndicator,
          MfaService,
          SecondFactorService,
        ],
  };
}
