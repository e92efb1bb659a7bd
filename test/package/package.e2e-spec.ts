/**
 * What is published: the tarball, unpacked beside the packages an application
 * has, read by ESM, by CommonJS and by the TypeScript compiler. Nothing here
 * sees the sources.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
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
import { dirname, join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';

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
    'Dockerfile',
    'LICENSE',
    'README.md',
    'SECURITY.md',
    'compose.yaml',
    'deploy/Caddyfile',
    'deploy/gauthify-server.service',
    'package.json',
  ]);
  expect(files).toContain('docs/images/sample.png');
  expect(files.filter((file) => /spec\./.test(file))).toEqual([]);
  expect(files).toContain('dist/server/cli/main.js');
});

it('holds each source once, in its source map', () => {
  const sources = files.filter((file) => /\.[cm]?ts$/.test(file));
  expect(sources.filter((file) => !file.endsWith('.d.ts'))).toEqual([]);
  const compiled = files.filter((file) => file.endsWith('.js'));
  expect(compiled.length).toBeGreaterThan(100);
  for (const file of compiled) {
    const path = join(app, 'package', file);
    expect(readFileSync(path, 'utf8')).not.toContain('sourceMappingURL=data:');
    const map = JSON.parse(readFileSync(`${path}.map`, 'utf8'));
    expect(map.sources).toEqual([
      relative(dirname(file), file.replace(/^dist/, 'lib')).replace(
        /js$/,
        'ts',
      ),
    ]);
    expect(map.sourcesContent).toEqual([expect.any(String)]);
  }
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

/** What `nestjs-gauthify` alone may take for installed, besides itself. */
const NEEDED = [
  '@nestjs/axios',
  '@nestjs/common',
  '@nestjs/core',
  '@types/node',
  'axios',
  'class-transformer',
  'class-validator',
  'libphonenumber-js',
  'reflect-metadata',
  'rxjs',
  'undici',
];
/** And the other doors: no types of them, where they bring none. */
const NEEDED_BY_SERVER = [
  'better-sqlite3',
  'kysely',
  'nodemailer',
  'otpauth',
  'qrcode',
];

const CLIENT = `
  import { Controller, Module, Post, UseGuards } from '@nestjs/common';
  import {
    CreateUserDto, GAuthifyModule, type GAuthifyModuleOptions, GAuthifyService, type GAuthifyUser, MfaGuard,
    NotFoundError, RateLimitError, UpdateUserDto,
  } from 'nestjs-gauthify';
  import type { Observable } from 'rxjs';

  @Controller()
  export class C {
    constructor(private readonly gauthify: GAuthifyService) {}
    @UseGuards(MfaGuard) @Post()
    create(user: CreateUserDto): Observable<GAuthifyUser> { return this.gauthify.createUser(user); }
    calls(none: undefined) {
      const times = { timeoutMs: none, totalTimeoutMs: none };
      this.gauthify.checkAuth('jane', '123456', { ...times, safeMode: none });
      this.gauthify.users({ ...times, pageSize: none });
      this.gauthify.health({ timeoutMs: none });
      this.gauthify.quickTest({ email: none, smsNumber: none, voiceNumber: none });
      const changes: UpdateUserDto = {
        email: none, smsNumber: none, voiceNumber: none, meta: none, displayName: none, resetKey: none,
        keepEnrolled: none, unlessEnrolled: none,
      };
      this.gauthify.updateUser('jane', changes);
      return [
        new NotFoundError('', { httpStatus: none, errorCode: none }),
        new RateLimitError('', { retryAfterSeconds: none }),
      ];
    }
  }
  const none = undefined;
  export const options: GAuthifyModuleOptions = {
    apiKey: 'x', accessPoints: none, timeoutMs: none, totalTimeoutMs: none, accessPointCooldownMs: none,
    retry: none, maxSockets: none, mfa: none,
  };
  @Module({
    imports: [
      GAuthifyModule.forRoot({ ...options, isGlobal: none, name: none, http: none }),
      GAuthifyModule.forRootAsync({ isGlobal: true, mfaRoutes: none, useFactory: () => ({ apiKey: 'x' }) }),
    ],
    controllers: [C],
  })
  export class App {}
  // @ts-expect-error an option that does not exist
  GAuthifyModule.forRoot({ apiKey: 'x', accessPoint: '' });
`;
/** A guard with a constructor of its own, as an application writes it. */
const SUBCLASS = `
  import 'reflect-metadata';
  import { Controller, Get, Inject, Injectable, Module, UseGuards } from '@nestjs/common';
  import { HttpAdapterHost } from '@nestjs/core';
  import {
    GAUTHIFY_MODULE_OPTIONS, GAuthifyModule, type GAuthifyResolvedOptions, MfaGuard, type MfaRequest,
    SecondFactorService,
  } from 'nestjs-gauthify';

  @Injectable()
  class Accounts {
    readonly prefix = 'account-';
  }
  @Injectable()
  export class AccountMfaGuard extends MfaGuard {
    constructor(
      secondFactor: SecondFactorService,
      @Inject(GAUTHIFY_MODULE_OPTIONS) options: GAuthifyResolvedOptions,
      adapterHost: HttpAdapterHost,
      private readonly accounts: Accounts,
    ) {
      super(secondFactor, options, adapterHost);
    }
    protected override getUserId({ headers }: MfaRequest): unknown {
      return this.accounts.prefix + String(headers['x-account']);
    }
  }
  @UseGuards(AccountMfaGuard) @Controller()
  class PageController {
    @Get('page') page() { return 'in'; }
  }
  export const appModule = (apiKey: string, accessPoint: string) => {
    @Module({
      imports: [
        GAuthifyModule.forRoot({
          apiKey, accessPoints: [accessPoint], mfa: { routes: { guard: AccountMfaGuard } },
        }),
      ],
      controllers: [PageController],
      providers: [Accounts],
    })
    class App {}
    return App;
  };
`;
const SERVER = `
  import { GAuthifyServerModule, type GAuthifyServerOptions, type Sender } from 'nestjs-gauthify/server';
  import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
  const none = undefined;
  const options: GAuthifyServerOptions = {
    database: none, publicUrl: none, apiKeys: none, encryptionKeys: none, issuer: none, returnUrls: none,
    frameAncestors: none, smtp: none, senders: { sms: none }, security: { freeAttempts: none }, now: none,
  };
  export const module = GAuthifyServerModule.forRoot({ ...options, path: none });
  export const start: Promise<GAuthifyTestServer> =
    GAuthifyTestServer.start({ database: none, adapter: none });
  export const send: Sender['send'] = async () => {};
  // @ts-expect-error an option that does not exist
  GAuthifyServerModule.forRoot({ databse: '' });
`;

describe.each<[string, ts.CompilerOptions]>([
  [
    'NodeNext',
    {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
    },
  ],
  [
    'a bundler',
    {
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
    },
  ],
  [
    'CommonJS of node10',
    {
      module: ts.ModuleKind.CommonJS,
      moduleResolution: ts.ModuleResolutionKind.Node10,
      ignoreDeprecations: '6.0',
    },
  ],
])('is typed for %s', (name, resolution) => {
  const extensions = name === 'NodeNext' ? ['mts', 'cts'] : ['ts'];
  let problems: Record<'client' | 'subclass' | 'server', string[]>;

  // One program for all applications: they share the types of their packages.
  beforeAll(() => {
    const folders = {
      client: newApplication(CLIENT, NEEDED, extensions),
      subclass: newApplication(SUBCLASS, NEEDED, extensions),
      server: newApplication(
        SERVER,
        [...NEEDED, ...NEEDED_BY_SERVER],
        extensions,
      ),
    };
    const program = ts.createProgram(
      Object.values(folders).flatMap((folder) =>
        extensions.map((extension) => join(folder, `a.${extension}`)),
      ),
      {
        ...resolution,
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        lib: ['lib.es2023.d.ts'],
        noEmit: true,
        target: ts.ScriptTarget.ES2022,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
        types: ['node'],
        typeRoots: [join(modules, '@types')],
      },
    );
    const whole = [
      ...program.getOptionsDiagnostics(),
      ...program.getGlobalDiagnostics(),
    ];
    const problemsIn = (folder: string) => {
      const files = program
        .getSourceFiles()
        .filter(({ fileName }) => fileName.startsWith(folder));
      // The application and the declarations of this package. Checking those
      // of other packages would take most of the time.
      expect(files.map(({ fileName }) => fileName)).toContainEqual(
        expect.stringMatching(
          /nestjs-gauthify\/dist\/(server\/)?index\.d\.ts$/,
        ),
      );
      return [
        ...whole,
        ...files.flatMap((file) => [
          ...program.getSyntacticDiagnostics(file),
          ...program.getSemanticDiagnostics(file),
        ]),
      ].map(
        ({ file, messageText }) =>
          `${file && relative(folder, file.fileName)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
      );
    };
    problems = {
      client: problemsIn(folders.client),
      subclass: problemsIn(folders.subclass),
      server: problemsIn(folders.server),
    };
  }, 120_000);

  it('without any optional package', () => {
    expect(problems.client).toEqual([]);
  });

  it('for a subclass of MfaGuard', () => {
    expect(problems.subclass).toEqual([]);
  });

  it('with what the server needs', () => {
    expect(problems.server).toEqual([]);
  });
});

it('guards handlers and routes by a subclass of MfaGuard', () => {
  const { outputText } = ts.transpileModule(SUBCLASS, {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      experimentalDecorators: true,
      emitDecoratorMetadata: true,
    },
  });
  writeFileSync(join(app, 'subclass.mjs'), outputText);
  const output = node(
    'guarded.mjs',
    `import { NestFactory } from '@nestjs/core';
     import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
     import { appModule } from './subclass.mjs';
     const server = await GAuthifyTestServer.start();
     const created = await fetch(server.accessPoint + 'users/', {
       method: 'POST',
       headers: { authorization: server.apiKey },
       body: new URLSearchParams({ unique_id: 'account-jane', display_name: 'Jane' }),
     });
     const { key } = (await created.json()).data;
     const app = await NestFactory.create(appModule(server.apiKey, server.accessPoint), { logger: false });
     await app.listen(0, '127.0.0.1');
     const url = await app.getUrl();
     const ask = async (path, headers) => {
       const response = await fetch(url + path, { headers: { 'x-account': 'jane', ...headers } });
       return [response.status, await response.text()];
     };
     const denied = await ask('/page', {});
     const admitted = await ask('/page', { 'x-mfa-code': server.totp(key) });
     const status = await ask('/mfa/status', {});
     console.log(JSON.stringify([denied[0], JSON.parse(denied[1]).code, admitted, status[0], JSON.parse(status[1]).enrolled]));
     await app.close();
     await server.close();`,
  );
  expect(JSON.parse(output)).toEqual([
    403,
    'mfa_enrollment_required',
    [200, 'in'],
    200,
    true,
  ]);
});

/** A folder with this source, these packages and this one. */
function newApplication(
  source: string,
  installed: string[],
  extensions: string[],
): string {
  const folder = mkdtempSync(join(app, 'typed-'));
  for (const name of installed) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(modules, name), link);
  }
  // A copy: what it imports is looked for beside it, not where a link leads.
  cpSync(
    join(app, 'package'),
    join(folder, 'node_modules', 'nestjs-gauthify'),
    { recursive: true },
  );
  for (const extension of extensions)
    writeFileSync(join(folder, `a.${extension}`), source);
  return folder;
}

it('names every package it imports', () => {
  const named = Object.keys({
    ...manifest.dependencies,
    ...manifest.peerDependencies,
  });
  const imported = new Set<string>();
  for (const file of files.filter((name) => name.endsWith('.js'))) {
    const source = readFileSync(join(app, 'package', file), 'utf8');
    for (const [, name] of source.matchAll(
      /(?:\bfrom|\bimport)\s*\(?\s*'([^'.\]:,)][^']*)'/g,
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
