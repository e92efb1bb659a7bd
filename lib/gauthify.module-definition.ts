import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  type Type,
} from '@nestjs/common';
import { refuseUnknownOptions } from './contract/known-options.js';
import {
  CLIENT_OPTIONS,
  type GAuthifyClientOptions,
  invalid,
  resolveClientOptions,
} from './client/client.options.js';
import { checkMfaOptions } from './mfa/check-options.js';
import type { GAuthifyResolvedOptions, MfaOptions } from './mfa/mfa.options.js';

/** Token of the options as the application gave them, unchecked: only the check may use it. */
export const GAUTHIFY_GIVEN_OPTIONS = Symbol('GAUTHIFY_GIVEN_OPTIONS');

/** Options of `GAuthifyModule`. */
export interface GAuthifyModuleOptions extends GAuthifyClientOptions {
  /** How `MfaGuard` reads requests. */
  mfa?: MfaOptions | undefined;
}

/** A provider that makes the options: `useClass` and `useExisting` of `GAuthifyModule.forRootAsync`. */
export interface GAuthifyOptionsFactory {
  /** Called once, at start. */
  createGAuthifyOptions():
    GAuthifyModuleOptions | Promise<GAuthifyModuleOptions>;
}

/**
 * Checks the options of `GAuthifyModule` and fills in defaults.
 *
 * @throws Error one sentence that names the option and says what to do; never with a value that may hold the API key
 */
export function resolveOptions(
  options: GAuthifyModuleOptions,
): GAuthifyResolvedOptions {
  if (typeof options !== 'object' || options === null)
    throw invalid('options', 'must be an object with at least an apiKey');
  refuseUnknownOptions(
    options,
    [...CLIENT_OPTIONS, 'mfa'],
    (option, problem) => new Error(`GAuthifyModule: ${option}: ${problem}`),
  );
  return Object.freeze({
    ...resolveClientOptions(options),
    mfa: checkMfaOptions(options.mfa),
  });
}

/** What `forRoot` and `forRootAsync` of `GAuthifyModule` take besides the options. */
export interface GAuthifyModuleExtras {
  /** Whether every module can inject the service without importing this one. @default false */
  isGlobal?: boolean | undefined;

  /**
   * Name of this GAuthify, if an application uses several: its service is then
   * injected only by `@InjectGAuthify(name)`.
   *
   * @default none: the service is injected by its class
   */
  name?: string | undefined;

  /**
   * Your own `HttpModule`, such as `HttpModule.register({ proxy: … })`: its
   * `HttpService` makes the requests, with its interceptors and connections.
   * They see the API key and people's codes.
   *
   * @default connections of the package's own, kept alive
   */
  http?: DynamicModule | Type | undefined;
}

export const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<GAuthifyModuleOptions>({
    optionsInjectionToken: GAUTHIFY_GIVEN_OPTIONS,
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createGAuthifyOptions')
    .setExtras<GAuthifyModuleExtras>(
      // Each is listed: any other would be taken for an option.
      { isGlobal: false, name: undefined, http: undefined },
      (definition, { isGlobal }) => ({ ...definition, global: isGlobal }),
    )
    .build();
