/** The arrows of the layout: what imports what. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const lib = resolve('lib');
const files = readdirSync(lib, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
  .map((file) => file.split(sep).join(posix.sep));

/** Files of ours that a file imports, relative to `lib`. */
function importsOf(file: string): string[] {
  const source = readFileSync(join(lib, file), 'utf8');
  return [...source.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)\.js'/g)].map(
    ([, path]) =>
      relative(lib, resolve(lib, dirname(file), `${path}.ts`))
        .split(sep)
        .join(posix.sep),
  );
}

const folderOf = (file: string) => file.split('/')[0]!;

describe.each(files)('%s', (file) => {
  const folder = folderOf(file);
  const imported = importsOf(file);

  it('keeps to the layers', () => {
    const outside = imported.map(folderOf).filter((other) => other !== folder);
    if (folder === 'dto' || folder === 'errors') expect(outside).toEqual([]);
    if (folder === 'server')
      expect(
        outside.filter((other) => !['dto', 'errors'].includes(other)),
      ).toEqual([]);
    if (folder !== 'server' && folder !== 'testing')
      expect(outside).not.toContain('server');
  });

  it('imports files, never an index of ours', () => {
    // The program is the user of the server's door.
    if (file === 'server/main.ts') return;
    expect(imported.filter((path) => path.endsWith('index.ts'))).toEqual([]);
  });
});
