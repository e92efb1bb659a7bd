/** The arrows of the layout: which folder imports which. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const lib = resolve('lib');
const files = readdirSync(lib, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
  .map((file) => file.split(sep).join(posix.sep));

/** Every allowed arrow, folder by folder. Within a folder files import each other freely. */
const ALLOWED: Record<string, string[]> = {
  contract: [],
  client: ['contract'],
  mfa: ['client', 'contract'],
  'the package': ['client', 'mfa', 'contract'],
  'server/settings': ['contract'],
  'server/store': ['server/settings', 'contract'],
  'server/realms': ['server/store', 'server/settings'],
  'server/observability': ['server/store', 'server/settings', 'contract'],
  'server/audit': ['server/store', 'server/settings'],
  'server/factors': [
    'server/audit',
    'server/observability',
    'server/store',
    'server/settings',
    'contract',
  ],
  'server/users': [
    'server/realms',
    'server/factors',
    'server/store',
    'server/settings',
    'contract',
  ],
  'server/delivery': [
    'server/realms',
    'server/factors',
    'server/observability',
    'server/store',
    'server/settings',
    'contract',
  ],
  'server/transfer': [
    'server/factors',
    'server/store',
    'server/settings',
    'contract',
  ],
  'server/v1': [
    'server/audit',
    'server/observability',
    'server/users',
    'server/delivery',
    'server/factors',
    'server/realms',
    'server/store',
    'server/settings',
    'contract',
  ],
  'server/health': ['server/v1', 'server/store', 'server/settings'],
  'server/pages': [
    'server/realms',
    'server/audit',
    'server/v1',
    'server/observability',
    'server/users',
    'server/factors',
    'server/store',
    'server/settings',
    'contract',
  ],
  'server/openapi': [
    'server/pages',
    'server/v1',
    'server/observability',
    'server/settings',
    'contract',
  ],
  server: [
    'server/audit',
    'server/openapi',
    'server/health',
    'server/observability',
    'server/pages',
    'server/v1',
    'server/users',
    'server/delivery',
    'server/factors',
    'server/realms',
    'server/store',
    'server/settings',
    'contract',
  ],
  'server/cli': [
    'contract',
    'the package',
    'client',
    'server/delivery',
    'server/factors',
    'server/audit',
    'server/realms',
    'server/users',
    'server',
    'server/health',
    'server/observability',
    'server/transfer',
    'server/v1',
    'server/store',
    'server/settings',
  ],
  testing: [
    'server',
    'server/cli',
    'server/v1',
    'server/delivery',
    'server/factors',
    'server/settings',
    'contract',
  ],
};

/** `lib/client/transport/call.ts` is of `client`; `lib/server/v1/…` of `server/v1`; `lib/index.ts` of the package. */
function folderOf(file: string): string {
  const [first, second, ...rest] = file.split('/');
  if (second === undefined) return 'the package';
  return first === 'server' && rest.length > 0 ? `server/${second}` : first!;
}

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

it('uses import.meta in the program alone: jest runs the rest as CommonJS in applications that are', () => {
  const users = files.filter((file) =>
    /import\.meta\b[^`]/.test(readFileSync(join(lib, file), 'utf8')),
  );
  expect(users).toEqual(['server/cli/main.ts']);
});

it('has no two folders that know each other', () => {
  const reach = (folder: string, seen = new Set<string>()): Set<string> => {
    for (const next of ALLOWED[folder] ?? [])
      if (!seen.has(next)) reach(next, seen.add(next));
    return seen;
  };
  for (const folder of Object.keys(ALLOWED))
    expect([...reach(folder)]).not.toContain(folder);
});

it('has no arrow on the list that nobody uses', () => {
  const used = new Set(
    files.flatMap((file) =>
      importsOf(file).map((other) => `${folderOf(file)} → ${folderOf(other)}`),
    ),
  );
  const unused = Object.entries(ALLOWED)
    .flatMap(([from, all]) => all.map((to) => `${from} → ${to}`))
    .filter((arrow) => !used.has(arrow));
  expect(unused).toEqual([]);
});

describe.each(files)('%s', (file) => {
  const imported = importsOf(file);

  it('imports only what its folder may', () => {
    const folder = folderOf(file);
    const others = imported.map(folderOf).filter((other) => other !== folder);
    expect(ALLOWED).toHaveProperty([folder]);
    for (const other of others) expect(ALLOWED[folder]).toContain(other);
  });

  it('imports files, never an index of ours', () => {
    // The program is the user of the server's door.
    if (file === 'server/cli/main.ts') return;
    expect(imported.filter((path) => path.endsWith('index.ts'))).toEqual([]);
  });
});

describe('client/transport', () => {
  it.each(files.filter((file) => file.startsWith('client/transport/')))(
    '%s knows nothing of the client above it but its options',
    (file) => {
      const above = importsOf(file).filter((path) =>
        /^client\/[^/]+$/.test(path),
      );
      expect(
        above.filter((path) => path !== 'client/client.options.ts'),
      ).toEqual([]);
    },
  );
});
