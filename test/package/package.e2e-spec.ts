/**
 * What is published: the tarball, unpacked beside the packages an application
 * has, read by ESM, by CommonJS and by the TypeScript compiler. Nothing here
 * sees the sources.
 */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';

const modules = resolve('node_modules');
const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
let app: string;
let files: string[];

beforeAll(() => {
  if (!existsSync('dist/index.js'))
    throw new Error('Run `npm run build` first');
  app = mkdtempSync(join(tmpdir(), 'gauthify-package-'));
  const [packed] = JSON.parse(
    execFileSync(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', app],
      {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    ),
  );
  files = packed.files.map(({ path }: { path: string }) => path);
  execFileSync('tar', ['-xzf', packed.filename], { cwd: app });
  mkdirSync(join(app, 'node_modules'));
  for (const name of readdirSync(modules))
    symlinkSync(join(modules, name), join(app, 'node_modules', name));
  symlinkSync(
    join(app, 'package'),
    join(app, 'node_modules', 'nestjs-gauthify'),
  );
  writeFileSync(join(app, 'package.json'), '{}');
}, 60_000);
afterAll(() => rmSync(app, { recursive: true, force: true }));

/** Runs a file of the application, with symbolic links as they are; its output. */
function node(file: string, source: string): string {
  writeFileSync(join(app, file), source);
  return execFileSync(
    process.execPath,
    ['--no-warnings', '--preserve-symlinks', file],
    { cwd: app, encoding: 'utf8' },
  ).trim();
}

it('holds what it needs and nothing else', () => {
  expect(files.filter((file) => !/^(dist|docs)\//.test(file)).sort()).toEqual([
    'CHANGELOG.md',
    'CONTRIBUTING.md',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'package.json',
  ]);
  expect(files).toContain('docs/images/sample.png');
  expect(files.filter((file) => /spec\./.test(file))).toEqual([]);
  expect(files).toContain('dist/server/main.js');
});

const DOORS = [
  'nestjs-gauthify',
  'nestjs-gauthify/server',
  'nestjs-gauthify/testing',
];
const EXPORTS = [
  ['GAuthifyModule', 'GAuthifyService', 'MfaGuard', 'isGAuthifyError'],
  ['GAuthifyServerModule'],
  ['GAuthifyTestServer'],
];

it('opens by import', () => {
  const output = node(
    'app.mjs',
    `import 'reflect-metadata';
     ${DOORS.map((door, i) => `import * as door${i} from '${door}';`).join('\n')}
     console.log(JSON.stringify([door0, door1, door2].map((door) => Object.keys(door))));`,
  );
  const exported = JSON.parse(output) as string[][];
  EXPORTS.forEach((names, i) =>
    expect(exported[i]).toEqual(expect.arrayContaining(names)),
  );
});

it('opens by require', () => {
  const output = node(
    'app.cjs',
    `require('reflect-metadata');
     console.log(JSON.stringify(${JSON.stringify(DOORS)}.map((door) => Object.keys(require(door)))));`,
  );
  const exported = JSON.parse(output) as string[][];
  EXPORTS.forEach((names, i) =>
    expect(exported[i]).toEqual(expect.arrayContaining(names)),
  );
});

it('needs nothing of the server behind the first door', () => {
  const output = node(
    'client.mjs',
    `import { register } from 'node:module';
     const hooks = \`export async function resolve(name, context, next) {
       if (/^(kysely|better-sqlite3|otpauth|qrcode|nodemailer|@nestjs\\\\/platform-.*)$/.test(name))
         throw new Error('The client needs ' + name);
       return next(name, context);
     }\`;
     register('data:text/javascript,' + encodeURIComponent(hooks));
     await import('reflect-metadata');
     console.log(typeof (await import('nestjs-gauthify')).GAuthifyModule);`,
  );
  expect(output).toBe('function');
});

it('is typed for an application that checks its libraries', () => {
  writeFileSync(
    join(app, 'main.ts'),
    `import { Controller, Module, Post, UseGuards } from '@nestjs/common';
     import { CreateUserDto, GAuthifyModule, GAuthifyService, MfaGuard, type GAuthifyUser } from 'nestjs-gauthify';
     import { GAuthifyServerModule } from 'nestjs-gauthify/server';
     import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
     import type { Observable } from 'rxjs';
     @Controller()
     class C {
       constructor(private readonly gauthify: GAuthifyService) {}
       @UseGuards(MfaGuard) @Post()
       create(user: CreateUserDto): Observable<GAuthifyUser> { return this.gauthify.createUser(user); }
     }
     @Module({
       imports: [
         GAuthifyModule.forRootAsync({ isGlobal: true, useFactory: () => ({ apiKey: 'x' }) }),
         GAuthifyServerModule.forRoot({ path: 'gauthify', database: 'sqlite::memory:' }),
       ],
       controllers: [C],
     })
     export class App {}
     export const start: Promise<GAuthifyTestServer> = GAuthifyTestServer.start();
     // @ts-expect-error an option that does not exist
     GAuthifyModule.forRoot({ apiKey: 'x', accessPoint: '' });`,
  );
  writeFileSync(
    join(app, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        target: 'ES2022',
        module: 'NodeNext',
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        preserveSymlinks: true,
        skipLibCheck: true,
        types: ['node'],
      },
      files: ['main.ts'],
    }),
  );
  const compile = () =>
    execFileSync(
      process.execPath,
      [join(modules, 'typescript/bin/tsc'), '-p', '.'],
      {
        cwd: app,
        encoding: 'utf8',
      },
    );
  expect(compile).not.toThrow();
}, 60_000);

it('names every package it imports', () => {
  const named = Object.keys({
    ...manifest.dependencies,
    ...manifest.peerDependencies,
  });
  const imported = new Set<string>();
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    const source = readFileSync(join(app, 'package', file), 'utf8');
    for (const [, name] of source.matchAll(
      /(?:from|import)\s*\(?\s*'([^'.][^']*)'/g,
    ))
      if (!name!.startsWith('node:'))
        imported.add(/^(@[^/]+\/)?[^/]+/.exec(name!)![0]);
  }
  expect([...imported].filter((name) => !named.includes(name))).toEqual([]);
  expect(
    named.filter(
      (name) =>
        !imported.has(name) && !['axios', 'reflect-metadata'].includes(name),
    ),
  ).toEqual([]);
});

it('is locked without an address that only one place knows', () => {
  expect(readFileSync('package-lock.json', 'utf8')).not.toMatch(
    /"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/,
  );
});
