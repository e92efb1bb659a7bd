import type { GAuthifyModuleOptions } from './gauthify-module-options.interface.js';

/** A provider that makes the options: `useClass` and `useExisting` of `GAuthifyModule.forRootAsync`. */
export interface GAuthifyOptionsFactory {
  /** Called once, at start. */
  createGAuthifyOptions():
    GAuthifyModuleOptions | Promise<GAuthifyModuleOptions>;
}
