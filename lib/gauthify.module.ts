import { HttpModule } from '@nestjs/axios';
import { Module, type DynamicModule } from '@nestjs/common';
import {
  type ASYNC_OPTIONS_TYPE,
  ConfigurableModuleClass,
  GAUTHIFY_GIVEN_OPTIONS,
  GAUTHIFY_MODULE_OPTIONS,
  type OPTIONS_TYPE,
} from './gauthify.module-definition.js';
import { GAuthifyService } from './gauthify.service.js';
import type { MfaRoutesOption } from './interfaces/mfa-options.interface.js';
import { MfaEvents } from './mfa/mfa-events.js';
import { MfaMethods } from './mfa/mfa-methods.js';
import { MfaRouteGuard } from './mfa/mfa-route.guard.js';
import { createMfaController } from './mfa/mfa.controller.js';
import { MfaProofs } from './mfa/mfa-proofs.js';
import { MfaService } from './mfa/mfa.service.js';
import { GAuthifyTransport } from './transport/gauthify.transport.js';
import {
  type GAuthifyResolvedOptions,
  normalizeOptions,
} from './transport/normalize-options.js';

/**
 * Gives an application `GAuthifyService`, and what `MfaGuard` needs.
 *
 * A wrong option stops the application at start, with one sentence that names it.
 */
@Module({
  // An axios instance of our own: interceptors which the application puts on
  // the shared one must not see the API key and people's codes.
  imports: [HttpModule.register({})],
  providers: [
    {
      provide: GAUTHIFY_MODULE_OPTIONS,
      useFactory: normalizeOptions,
      inject: [GAUTHIFY_GIVEN_OPTIONS],
    },
    {
      provide: MfaProofs,
      useFactory: ({ mfa }: GAuthifyResolvedOptions) =>
        mfa.proof && MfaProofs.create(mfa.proof),
      inject: [GAUTHIFY_MODULE_OPTIONS],
    },
    GAuthifyTransport,
    GAuthifyService,
    MfaEvents,
    MfaMethods,
    MfaService,
  ],
  exports: [GAuthifyService, GAUTHIFY_MODULE_OPTIONS, MfaService, MfaEvents],
})
export class GAuthifyModule extends ConfigurableModuleClass {
  /**
   * Configures the module with values known when the code is loaded.
   *
   * @param options {@link GAuthifyModuleOptions}, and `isGlobal`: whether every module sees the
   *   service without importing this one. @default false
   *
   * @example
   * ```ts
   * GAuthifyModule.forRoot({ apiKey: '…', accessPoints: ['https://auth.example.com/v1/'] })
   * ```
   */
  static override forRoot(options: typeof OPTIONS_TYPE): DynamicModule {
    return withRoutes(super.forRoot(options), options.mfa?.routes);
  }

  /**
   * Configures the module with values other providers know, such as those of
   * `@nestjs/config`: by `useFactory` with `inject`, or by `useClass` or
   * `useExisting` of a {@link GAuthifyOptionsFactory}. `isGlobal` as in `forRoot`.
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
  static override forRootAsync({
    mfaRoutes,
    ...options
  }: typeof ASYNC_OPTIONS_TYPE & {
    /** As `mfa.routes`: routes are mounted before options are made. */
    mfaRoutes?: MfaRoutesOption;
  }): DynamicModule {
    return withRoutes(super.forRootAsync(options), mfaRoutes);
  }
}

function withRoutes(
  definition: DynamicModule,
  routes: MfaRoutesOption | undefined,
): DynamicModule {
  if (!routes) return definition;
  return {
    ...definition,
    controllers: [createMfaController(routes)],
    providers: [...(definition.providers ?? []), MfaRouteGuard],
  };
}
