import { ConfigurableModuleBuilder } from '@nestjs/common';
import { RouterModule } from '@nestjs/core';
import { checkTypes, oneOf, TEXT } from './settings/option-type.js';
import { MOUNT_PATH, STANDALONE, toMountPath } from './settings/mount-path.js';
import { HealthController } from './health/health.controller.js';
import { OpenApiController } from './openapi/openapi.controller.js';
import { HomeController } from './pages/home.controller.js';
import type { GAuthifyServerOptions } from './settings/server.options.js';

export const {
  ConfigurableModuleClass,
  MODULE_OPTIONS_TOKEN: GAUTHIFY_SERVER_OPTIONS,
  OPTIONS_TYPE,
  ASYNC_OPTIONS_TYPE,
} = new ConfigurableModuleBuilder<GAuthifyServerOptions>()
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createGAuthifyServerOptions')
  .setExtras<{
    /** Where the API is mounted: `gauthify` is `/gauthify/v1/`. @default the root */
    path?: string | undefined;
    /**
     * Whether the application serves nothing else: every unknown path is answered
     * with the envelope, and `/` says what this server is. @default false
     */
    standalone?: boolean | undefined;
  }>(
    { path: undefined, standalone: undefined },
    (definition, { path, standalone }) => {
      checkTypes(
        { path, standalone },
        {
          path: { ...TEXT, description: 'a string such as "gauthify"' },
          standalone: oneOf(false, true),
        },
      );
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
        controllers: [
          ...(standalone ? [HomeController] : []),
          // At the root of another application, these paths are the application's own.
          ...(standalone || mountPath
            ? [HealthController, OpenApiController]
            : []),
        ],
        providers: [
          ...(definition.providers ?? []),
          { provide: MOUNT_PATH, useValue: mountPath },
          { provide: STANDALONE, useValue: standalone === true },
        ],
      };
    },
  )
  .build();
