/** What the README and `docs/server.md` tell a newcomer to type, in a shell, with the package as it was built. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import ts from 'typescript';
import { blocksOf, read } from '../helpers/markdown.js';
import { hasCommand, Shell } from '../helpers/shell.js';

const missing = ['bash', 'curl', 'openssl'].filter((name) => !hasCommand(name));
if (missing.length > 0)
  writeSync(2, `SKIPPED: the quick start needs ${missing.join(', ')}.\n`);
const describeInShell = missing.length > 0 ? describe.skip : describe;

describeInShell('the quick start of the README', () => {
  const blocks = blocksOf('README.md');
  const [, start, create, ask] = blocks
    .filter(({ language }) => language === 'sh')
    .map(({ source }) => source);
  let folder: string;
  let port: number;
  let shell: Shell;

  const here = (text: string) => text.replaceAll(':3000', `:${port}`);

  beforeAll(async () => {
    if (!existsSync('dist/index.js'))
      throw new Error('Run `npm run build` first');
    port = await freePort();
    const [module, main] = blocks
      .filter(({ language }) => language === 'ts')
      .map(({ source }) => source);
    folder = newApplication(here(module!), main!);
    shell = new Shell(folder, { PORT: String(port) });
  });
  afterAll(async () => {
    await shell.close();
    rmSync(folder, { recursive: true });
  });

  it('leads to 401, then to 200', async () => {
    const started = await shell.run(here(start!));
    expect(started).toContain('Nest application successfully started');
    const created = await shell.run(here(create!));
    const { data } = JSON.parse(created.slice(created.indexOf('{"data"'))) as {
      data: { key: string; otp: string };
    };
    const commands = here(ask!).replace('KEY', data.key);
    const answers = await shell.run(
      // As the README says where there is no oathtool.
      hasCommand('oathtool')
        ? commands
        : commands.replace(/\$\(.*?\)/, data.otp),
    );
    expect(answers).toMatch(
      /HTTP\/1.1 401 [^]*"code":"mfa_required"[^]*HTTP\/1.1 200 [^]*\{"balance":42\}/,
    );
    // As the README says; all that was stored is then in the one file.
    await shell.run('kill $!; wait $!');
    const stored = readdirSync(folder).filter((name) =>
      name.startsWith('gauthify.sqlite'),
    );
    expect(stored.sort()).toEqual(['gauthify.sqlite', 'gauthify.sqlite.key']);
  }, 60_000);
});

describeInShell('the commands of docs/server.md', () => {
  it('create a user, and check a code', async () => {
    const server = await GAuthifyTestServer.start();
    const shell = new Shell('.');
    const commands = [...read('docs/server.md').matchAll(/^ {4}(curl .+)$/gm)]
      .map(([, command]) => command)
      .join('\n')
      .replaceAll('http://127.0.0.1:4000/v1/', server.accessPoint)
      .replaceAll('KEY', server.apiKey);
    const answers = await shell.run(commands);
    expect(answers).toContain('"unique_id":"jane","display_name":"Jane"');
    expect(answers).toContain('"authenticated":false');
    await shell.close();
    await server.close();
  });
});

/** An application as `nest new` makes them, with the packages of this repository. */
function newApplication(module: string, main: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'gauthify-quick-start-'));
  const modules = join(folder, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync('node_modules'))
    symlinkSync(resolve('node_modules', name), join(modules, name));
  symlinkSync(resolve('.'), join(modules, 'nestjs-gauthify'));
  const files = {
    'package.json':
      // What the build makes is there already.
      '{ "type": "module", "scripts": { "build": "true" } }',
    'dist/main.js': compiled(main),
    'dist/app.module.js': compiled(module),
  };
  mkdirSync(join(folder, 'dist'));
  for (const [file, source] of Object.entries(files))
    writeFileSync(join(folder, file), source);
  return folder;
}

function compiled(source: string): string {
  return ts.transpile(source, {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext,
    experimentalDecorators: true,
    emitDecoratorMetadata: true,
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
