import { ConfigurableModuleBuilder } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { MOUNT_PATH, toMountPath } from './mount-path.js';
import type { GAuthifyServerOptions } from './server-options.js';

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: GAUTHIFY_SERVER_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<GAuthifyServerOptions>()
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createGAuthifyServerOptions')
  .setExtras<{ path?: string | undefined }>({}, (definition, { path }) => {
    const mountPath = toMountPath(path);
    return {
      ...definition,
      imports: [
        ...(definition.imports ?? []),
        ...(mountPath
          ? [
              RouterModule.register([
                { path: mountPath, module: definition.module },
              ]),
            ]
          : []),
      ],
      providers: [
        ...(definition.providers ?? []),
        { provide: MOUNT_PATH, useValue: mountPath },
      ],
    };
  })
  .build();
