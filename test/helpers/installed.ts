import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
} from 'node:fs';
import { join, resolve } from 'node:path';

/** The program, in a folder that {@link installWithout} filled. */
export const INSTALLED_PROGRAM =
  'node_modules/nestjs-gauthify/dist/server/cli/main.js';

/** Puts the built package into `folder/node_modules`, with all that is installed here but one package. */
export function installWithout(folder: string, without: string): void {
  if (!existsSync('dist/index.js'))
    throw new Error('Run `npm run build` first');
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  const link = (name: string) => {
    if (name !== without)
      symlinkSync(resolve('node_modules', name), join(modules, name));
  };
  for (const name of readdirSync('node_modules')) {
    if (name.startsWith('.')) continue;
    if (!name.startsWith('@')) link(name);
    else {
      mkdirSync(join(modules, name));
      for (const inner of readdirSync(join('node_modules', name)))
        link(`${name}/${inner}`);
    }
  }
  cpSync('dist', join(modules, 'nestjs-gauthify/dist'), { recursive: true });
  cpSync('package.json', join(modules, 'nestjs-gauthify/package.json'));
}
