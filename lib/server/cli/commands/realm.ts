import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import type { Realm, RealmsService } from '../../realms/realms.service.js';
import type { DatabaseUse } from '../../settings/database-use.js';
import { parseList } from '../../settings/environment-values.js';
import { StartError } from '../../settings/start-error.js';
import { type CommandTools, shownTime } from '../command-tools.js';
import { NotedChanges } from '../noted-changes.js';

/** The options of `realm set`. */
interface Settings {
  issuer?: string;
  returnUrl?: string;
  frameAncestor?: string[];
  country?: string[];
  texts?: string;
  meta?: string;
  clear?: string[];
}

/** The options, and the settings of a realm that they change. */
const SETTINGS: Readonly<Record<string, string>> = {
  issuer: 'issuer',
  'return-url': 'returnUrl',
  'frame-ancestor': 'frameAncestors',
  country: 'countries',
  texts: 'texts',
  meta: 'meta',
};

/** `realm`: the tenants of the server, and their settings. */
export function realmCommand(tools: CommandTools): Command {
  const realm = new Command('realm').description(
    'tenants: each has its own users, keys and settings',
  );
  realm
    .command('create <name>')
    .description('create a realm')
    .action((name: string) =>
      withRealms(tools, 'create', async ({ realms, changes }) => {
        const isNew = await changes.change(
          name,
          (unit) => realms.create(unit, name),
          () => ({ action: 'realm.create' }),
        );
        if (!isNew) throw new StartError(`The realm ${name} exists already`);
        tools.result({ name }, [
          `Created. Next: gauthify-server key create ${name}`,
        ]);
      }),
    );
  realm
    .command('list')
    .description('list the realms')
    .action(() =>
      withRealms(tools, 'use', async ({ realms }) => {
        const all = await realms.list();
        tools.result(
          all.map(shown),
          all.length > 0
            ? all.map(
                ({ name, createdAt }) =>
                  `${name}\t${shownTime(createdAt) ?? 'no settings'}`,
              )
            : ['There is none'],
        );
      }),
    );
  realm
    .command('show <name>')
    .description('show what a realm sets for itself')
    .action((name: string) =>
      withRealms(tools, 'use', async ({ realms }) => {
        const found = shown(await realms.get(name));
        tools.result(found, [JSON.stringify(found, null, 2)]);
      }),
    );
  realm
    .command('set <name>')
    .description(
      'change settings of a realm, within 5 s on every instance; creates the realm if there is none',
    )
    .option('--issuer <name>', 'name shown in authenticator apps and messages')
    .option('--return-url <url>', 'where the ezGAuth page leads')
    .option(
      '--frame-ancestor <origins>',
      'origins that may frame that page, separated by commas',
      listOf,
    )
    .option(
      '--country <codes>',
      'countries that SMS and calls may go to: DE,AT',
      listOf,
    )
    .option('--texts <file>', 'JSON file: texts of messages, by language')
    .option('--meta <file>', 'JSON file: what GET realm/ answers as meta')
    .option(
      '--clear <settings>',
      `use the server’s, separated by commas: ${Object.keys(SETTINGS).join(', ')}`,
      clearable,
    )
    .action((name: string, options: Settings, command: Command) => {
      if (Object.keys(options).length === 0)
        command.error('error: give at least one setting');
      return withRealms(tools, 'create', async ({ realms, changes }) => {
        const wanted = await changesOf(options);
        if (!(await realms.find(name))) tools.step(`The realm ${name} is new`);
        const changed = await changes.change(
          name,
          (unit) => realms.set(unit, name, wanted),
          () => ({
            action: 'realm.set',
            details: { settings: namesOf(wanted) },
          }),
        );
        const result = shown(changed);
        tools.result(result, [JSON.stringify(result, null, 2)]);
      });
    });
  realm
    .command('delete <name>')
    .description('delete a realm with all its users and keys')
    .requiredOption(
      '--yes',
      'confirms it: nothing of the realm can be restored',
    )
    .action((name: string) =>
      withRealms(tools, 'use', async ({ realms, changes }) => {
        await realms.get(name);
        tools.step('Until no instance accepts its keys: 10 seconds');
        const { users, keys } = await realms.delete(
          name,
          (deleted) => tools.progress(`${deleted} users deleted`),
          (unit) => changes.note(unit, name, { action: 'realm.delete' }),
        );
        tools.result({ deleted: name, users, keys }, [
          `Deleted, with ${users} users and ${keys} keys`,
        ]);
      }),
    );
  return realm;
}

async function withRealms(
  tools: CommandTools,
  use: DatabaseUse,
  work: (context: {
    realms: RealmsService;
    changes: NotedChanges;
  }) => Promise<void>,
): Promise<void> {
  await tools.withServer(async (server) => {
    const { RealmsService } = await import('../../realms/realms.service.js');
    const changes = await NotedChanges.of(server);
    await work({ realms: server.get(RealmsService), changes });
  }, use);
}

async function changesOf(options: Settings): Promise<object> {
  const { issuer, returnUrl, texts, meta, clear = [] } = options;
  const cleared: [string, null][] = clear.map((option) => [
    SETTINGS[option]!,
    null,
  ]);
  return {
    issuer,
    returnUrl,
    frameAncestors: options.frameAncestor,
    countries: options.country,
    texts: texts === undefined ? undefined : await jsonOf(texts),
    meta: meta === undefined ? undefined : await jsonOf(meta),
    ...(Object.fromEntries(cleared) as Record<string, null>),
  };
}

function listOf(text: string): string[] {
  const entries = parseList(text);
  if (entries.length === 0)
    throw new InvalidArgumentError(
      'It must not be empty; --clear sets it back.',
    );
  return entries;
}

function clearable(text: string): string[] {
  const options = listOf(text);
  const unknown = options.find((option) => !Object.hasOwn(SETTINGS, option));
  if (unknown !== undefined)
    throw new InvalidArgumentError(
      `There is no setting ${unknown}: there are ${Object.keys(SETTINGS).join(', ')}.`,
    );
  return options;
}

async function jsonOf(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new StartError(
      `The file ${file} could not be read as JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

const shown = ({ name, createdAt, settings }: Realm) => ({
  name,
  created_at: shownTime(createdAt),
  settings,
});

const namesOf = (changes: object) =>
  Object.entries(changes)
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
