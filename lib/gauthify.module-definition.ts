import {
  ConfigurableModuleBuilder,
  type DynamicModule,
  type Type,
} from '@nestjs/common';
import type { GAuthifyModuleOptions } from './interfaces/gauthify-module-options.interface.js';

/** Token of the options of `GAuthifyModule`: checked, with defaults filled in, frozen. */
export const GAUTHIFY_MODULE_OPTIONS = Symbol('GAUTHIFY_MODULE_OPTIONS');

/** Token of the options as the application gave them, unchecked: nothing but the check may use it. */
export const GAUTHIFY_GIVEN_OPTIONS = Symbol('GAUTHIFY_GIVEN_OPTIONS');

/** What `forRoot` and `forRootAsync` of `GAuthifyModule` take beside the options. */
export interface GAuthifyModuleExtras {
  /** Whether every module sees the service without importing this one. @default false */
  isGlobal?: boolean | undefined;

  /**
   * Name of this GAuthify, where an application talks to several: its service
   * is then injected by `@InjectGAuthify(name)` alone.
   *
   * @default none: the service is injected by its class
   */
  name?: string | undefined;

  /**
   * Your own `HttpModule`, such as `HttpModule.register({ proxy: … })`: its
   * `HttpService` makes the requests, with its interceptors and connections.
   * They see the API key and people's codes.
   *
   * @default connections of our own, kept alive
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
      // Each is named: what is not would be taken for an option.
      { isGlobal: false, name: undefined, http: undefined },
      (definition, { isGlobal }) => ({ ...definition, global: isGlobal }),
    )
    .build();
