import { ConfigurableModuleBuilder } from '@nestjs/common';
import type { GAuthifyModuleOptions } from './interfaces/gauthify-module-options.interface.js';

/** Token of the options of `GAuthifyModule`: checked, with defaults filled in, frozen. */
export const GAUTHIFY_MODULE_OPTIONS = Symbol('GAUTHIFY_MODULE_OPTIONS');

/** Token of the options as the application gave them, unchecked: nothing but the check may use it. */
export const GAUTHIFY_GIVEN_OPTIONS = Symbol('GAUTHIFY_GIVEN_OPTIONS');

export const { ConfigurableModuleClass, OPTIONS_TYPE, ASYNC_OPTIONS_TYPE } =
  new ConfigurableModuleBuilder<GAuthifyModuleOptions>({
    optionsInjectionToken: GAUTHIFY_GIVEN_OPTIONS,
  })
    .setClassMethodName('forRoot')
    .setFactoryMethodName('createGAuthifyOptions')
    .setExtras<{ isGlobal?: boolean }>(
      { isGlobal: false },
      (definition, { isGlobal }) => ({ ...definition, global: isGlobal }),
    )
    .build();
