import { Command, CommanderError } from 'commander';
import type { INestApplicationContext } from '@nestjs/common';
import { nearest } from '../../contract/known-options.js';
import { DATABASE_USE, type DatabaseUse } from '../settings/database-use.js';
import { optionsFromEnvironment } from '../settings/environment.js';
import type { Environment } from '../settings/environment-values.js';
import type { CommandTools } from './command-tools.js';
import { loadKeyProvider } from './load-key-provider.js';
import { auditCommand } from './commands/audit.js';
import { ProgressLine } from './progress-line.js';
import { checkConfigCommand } from './commands/check-config.js';
import { exportCommand } from './commands/export.js';
import { importCommand } from './commands/import.js';
import { keyCommand } from './commands/key.js';
import { quickTestCommand } from './commands/quick-test.js';
import { realmCommand } from './commands/realm.js';
import { rotateKeysCommand } from './commands/rotate-keys.js';
import { serveCommand } from './commands/serve.js';
import { userCommand } from './commands/user.js';
import { USAGE } from './usage.js';

/** Exit codes, as `--help` documents them. */
export const EXIT = { ok: 0, usage: 2 } as const;

/**
 * Runs the program.
 *
 * @param args without the names of Node and the program
 * @returns the exit code; `undefined` while the server serves
 * @throws what a command throws
 */
export async function run(
  args: readonly string[],
  env: Environment,
  version: string,
): Promise<number | undefined> {
  const program = new Command('gauthify-server')
    .description('A self-hosted GAuthify v1 server')
    .usage('[options] [command]')
    .option('--json', 'print results as JSON')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .configureOutput({
      outputError: (text, write) =>
        write(text.replace(/^error: /, 'gauthify-server: ')),
    })
    .addHelpText('after', USAGE)
    .exitOverride();
  const tools = toolsOf(program, env);
  let isServing = false;
  program.addCommand(
    serveCommand(tools, () => (isServing = true)),
    { isDefault: true },
  );
  for (const command of [
    realmCommand,
    keyCommand,
    userCommand,
    importCommand,
    exportCommand,
    rotateKeysCommand,
    auditCommand,
    checkConfigCommand,
    quickTestCommand,
  ])
    program.addCommand(command(tools));
  for (const command of withSubcommands(program))
    command
      .copyInheritedSettings(program)
      .showHelpAfterError(`See ${nameOf(command)} --help`);
  try {
    refuseUnknown(program, args);
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has printed what is wrong.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  return isServing ? undefined : Number(process.exitCode ?? EXIT.ok);
}

function toolsOf(program: Command, env: Environment): CommandTools {
  const isJson = () => program.opts<{ json?: true }>().json === true;
  const progress = new ProgressLine(process.stderr);
  const write = (stream: NodeJS.WriteStream, line: string) => {
    progress.end();
    stream.write(`${line}\n`);
  };
  return {
    env,
    get isJson() {
      return isJson();
    },
    print: (line) => write(process.stdout, line),
    result: (data, lines) => {
      for (const line of isJson() ? [JSON.stringify(data)] : lines)
        write(process.stdout, line);
    },
    step: (line) => {
      if (!isJson()) write(process.stderr, line);
    },
    progress: (line) => {
      if (!isJson()) progress.show(line);
    },
    note: (line) => write(process.stderr, line),
    warn: (line) => write(process.stderr, `gauthify-server: ${line}`),
    withServer: (work, use) => withServer(env, work, use),
  };
}

async function withServer<Result>(
  env: Environment,
  work: (server: INestApplicationContext) => Promise<Result>,
  use: DatabaseUse = 'use',
): Promise<Result> {
  await import('reflect-metadata');
  const { NestFactory } = await import('@nestjs/core');
  const { GAuthifyServerModule } = await import('../gauthify-server.module.js');
  const { createFastifyAdapter } = await import('../v1/fastify-adapter.js');
  const given = optionsFromEnvironment(env, await loadKeyProvider(env));
  // What listens and logs belongs to `serve`, which may run on this database already.
  const {
    host: _h,
    port: _p,
    log: _l,
    shutdown: _s,
    metrics: _m,
    ...options
  } = given;
  const module = GAuthifyServerModule.forRoot({ ...options, standalone: true });
  const server = await NestFactory.create(
    {
      ...module,
      providers: [
        ...module.providers!,
        { provide: DATABASE_USE, useValue: use },
      ],
    },
    await createFastifyAdapter(),
    { abortOnError: false, logger: false },
  );
  await server.init();
  try {
    return await work(server);
  } finally {
    await server.close();
  }
}

/** Commander would take an unknown command for an argument of the default one. */
function refuseUnknown(program: Command, [first]: readonly string[]): void {
  const names = program.commands.map((command) => command.name());
  const isKnown =
    !first || first.startsWith('-') || [...names, 'help'].includes(first);
  if (isKnown) return;
  const meant = nearest(first, names);
  program.error(
    `error: there is no command ${first}${meant ? `; did you mean ${meant}?` : ''}`,
  );
}

/** With the names of the commands that it is below of. */
const nameOf = (command: Command): string =>
  command.parent
    ? `${nameOf(command.parent)} ${command.name()}`
    : command.name();

function withSubcommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}
