/** That the documentation is true: what it shows compiles, and what it lists is what there is. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { optionsFromEnvironment } from 'nestjs-gauthify/server';
import { loadKeyProvider } from '../../lib/server/cli/load-key-provider.js';
import ts from 'typescript';
import { ERROR_CODES } from '../../lib/contract/error-codes.js';
import {
  anchorsOf,
  type Block,
  blocksOf,
  linksOf,
  PAGES,
  read,
  tablesOf,
} from '../helpers/markdown.js';

const blocks = PAGES.flatMap(blocksOf);
const inLanguage = (language: string) =>
  blocks.filter((block) => block.language === language);

describe('the README', () => {
  it('has at most 150 lines', () => {
    expect(read('README.md').split('\n').length).toBeLessThanOrEqual(151);
  });

  it.each(['npm ci && npm start', 'npm ci && npm test'])(
    'says %s',
    (command) => {
      expect(read('README.md')).toContain(`\n    ${command}\n`);
    },
  );
});

describe('links', () => {
  it.each(PAGES)('of %s lead somewhere', (page) => {
    const dead = linksOf(page).filter(({ path, anchor }) => {
      const target = join(dirname(page), path);
      return (
        !existsSync(target) ||
        (anchor !== undefined && !anchorsOf(target).includes(anchor))
      );
    });
    expect(dead).toEqual([]);
  });
});

describe('examples', () => {
  const guard = (
    name: string,
  ) => `import type { CanActivate } from '@nestjs/common';
    export class ${name} implements CanActivate { canActivate(): boolean { return true; } }`;
  /** What the examples import from the application that they are part of. */
  const APPLICATION = {
    'jwt-auth.guard.ts': guard('JwtAuthGuard'),
    'session-auth.guard.ts': guard('SessionAuthGuard'),
    'app.module.ts': 'export class AppModule {}',
    'wrong.ts': `import { MfaGard } from 'nestjs-gauthify'; export default MfaGard;`,
  };
  const examples = inLanguage('ts');
  let problemsOf: (file: string) => string[];

  const fileOf = ({ name }: Block) => `${name.replace(/[/:]/g, '-')}.ts`;

  beforeAll(() => {
    const sources = new Map<string, string>(
      [
        ...Object.entries(APPLICATION),
        ...examples.map((block): [string, string] => [
          fileOf(block),
          block.source,
        ]),
      ].map(([file, source]) => [resolve('test/package', file), source]),
    );
    problemsOf = compile(sources);
  }, 120_000);

  it('are there', () => expect(examples.length).toBeGreaterThan(10));

  it.each(examples.map((block) => [block.name, block] as const))(
    '%s compiles',
    (_, block) => expect(problemsOf(fileOf(block))).toEqual([]),
  );

  it('would not compile with a name that does not exist', () => {
    expect(problemsOf('wrong.ts')).toEqual([
      expect.stringContaining("no exported member named 'MfaGard'"),
    ]);
  });

  it.each(inLanguage('json').map(({ name, source }) => [name, source]))(
    '%s is JSON',
    (_, source) => expect(() => JSON.parse(source)).not.toThrow(),
  );

  it('are of a language that is checked', () => {
    const languages = new Set(blocks.map(({ language }) => language));
    expect([...languages].sort()).toEqual(['json', 'sh', 'ts']);
  });
});

describe('lists', () => {
  const optionTables = tablesOf('options');

  it.each(optionTables)(
    'of options in $page: $subjects',
    ({ subjects, names }) => {
      const expected = new Set(
        subjects.flatMap((subject) =>
          /^[a-z]/.test(subject) ? [subject] : membersOf(subject),
        ),
      );
      expect(names.map((name) => name.split('.').at(-1)).sort()).toEqual(
        [...expected].sort(),
      );
    },
  );

  it('have every interface of options', () => {
    const exported = ['lib', 'lib/server', 'lib/testing'].flatMap((folder) =>
      [
        ...readFileSync(`${folder}/index.ts`, 'utf8').matchAll(
          /\b(\w+(?:Options|Extras))\b[,\s]/g,
        ),
      ].map(([, name]) => name!),
    );
    const listed = optionTables.flatMap(({ subjects }) => subjects);
    expect(exported.filter((name) => !listed.includes(name))).toEqual([
      // What `normalizeOptions` makes of GAuthifyModuleOptions.
      'GAuthifyResolvedOptions',
    ]);
  });

  it('have every environment variable', async () => {
    const asked = new Set<string>();
    const env = new Proxy(
      {},
      {
        get: (_, name) => {
          asked.add(String(name));
          return undefined;
        },
      },
    );
    optionsFromEnvironment(env, await loadKeyProvider(env));
    const [table] = tablesOf('environment');
    expect(table!.names.sort()).toEqual([...asked].sort());
  });

  it('have every error code of the server', () => {
    const [table] = tablesOf('error codes');
    expect(table!.names.sort()).toEqual(Object.keys(ERROR_CODES).sort());
  });

  it('have every denial of the guard', () => {
    const [table] = tablesOf('denials');
    expect(table!.names.sort()).toEqual(membersOf('MfaDenialCode').sort());
  });
});

/** Type-checks files that are nowhere on disk, as if they were part of this repository; what is wrong with each. */
function compile(sources: ReadonlyMap<string, string>) {
  const { config } = ts.readConfigFile('tsconfig.json', (file) =>
    readFileSync(file, 'utf8'),
  ) as { config: { compilerOptions: object } };
  const { options } = ts.convertCompilerOptionsFromJson(
    // An example need not use all that it declares.
    { ...config.compilerOptions, noUnusedLocals: false },
    resolve('.'),
  );
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.fileExists = (file) => sources.has(file) || fileExists(file);
  host.readFile = (file) => sources.get(file) ?? readFile(file);
  host.getSourceFile = (file, version, ...rest) => {
    const source = sources.get(file);
    return source === undefined
      ? getSourceFile(file, version, ...rest)
      : ts.createSourceFile(file, source, version);
  };
  const program = ts.createProgram([...sources.keys()], options, host);
  return (file: string): string[] => {
    const path = resolve('test/package', file);
    return ts
      .getPreEmitDiagnostics(program, program.getSourceFile(path))
      .map(({ messageText }) =>
        ts.flattenDiagnosticMessageText(messageText, '\n'),
      );
  };
}

/** Names of an interface's own properties, of the object in a union, the texts of one, or the keys of a table. */
function membersOf(name: string): string[] {
  for (const file of ts.sys.readDirectory('lib', ['.ts'])) {
    const text = readFileSync(file, 'utf8');
    if (!text.includes(name)) continue;
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest);
    for (const node of source.statements) {
      if (ts.isInterfaceDeclaration(node) && node.name.text === name)
        return namesOf(node.members);
      // `keyof typeof TABLE`: the keys of the object `TABLE` in the same file.
      if (
        ts.isTypeAliasDeclaration(node) &&
        node.name.text === name &&
        ts.isTypeOperatorNode(node.type)
      )
        return keysOf(text, /typeof (\w+)/.exec(node.getText(source))![1]!);
      if (ts.isTypeAliasDeclaration(node) && node.name.text === name)
        return (node.type as ts.UnionTypeNode).types.flatMap((type) => {
          if (ts.isTypeLiteralNode(type)) return namesOf(type.members);
          const isText =
            ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal);
          return isText ? [type.literal.text] : [];
        });
    }
  }
  throw new Error(`lib has no interface or type ${name}`);
}

/** Keys of an object literal, indented by two spaces as prettier does. */
const keysOf = (text: string, name: string): string[] => {
  const body = new RegExp(`const ${name} = \\{\\n([\\s\\S]*?)\\n\\}`).exec(
    text,
  )![1]!;
  return [...body.matchAll(/^ {2}(\w+):/gm)].map(([, key]) => key!);
};

const namesOf = (members: ts.NodeArray<ts.TypeElement>): string[] =>
  members.map((member) => (member.name as ts.Identifier).text);
