import { readFile } from 'node:fs/promises';
import type { INestApplicationContext } from '@nestjs/common';
import { Command } from 'commander';
import type { Realm } from '../../realms/realms.service.js';
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

/** What `realm set` changes: lists are given one by one, objects as files. */
const CLEARABLE = [
  'issuer',
  'returnUrl',
  'frameAncestors',
  'countries',
  'texts',
  'meta',
];

/** `realm`: the tenants of the server, and their settings. */
export function realmCommand(tools: CommandTools): Command {
  const realm = new Command('realm').description(
    'tenants: each has its own users, keys and settings',
  );
  realm
    .command('create <name>')
    .description('create a realm')
    .action((name: string) =>
      withRealms(tools, async ({ realms, changes }) => {
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
      withRealms(tools, async ({ realms }) => {
        const all = await realms.list();
        tools.result(
          all.map(shown),
          all.length > 0
            ? all.map(
                ({ name, createdAt }) => `${name}\t${shownTime(createdAt)}`,
              )
            : ['There is none; keys of GAUTHIFY_API_KEYS need none.'],
        );
      }),
    );
  realm
    .command('show <name>')
    .description('show what a realm sets for itself')
    .action((name: string) =>
      withRealms(tools, async ({ realms }) => {
        const found = await realms.find(name);
        if (!found) throw new StartError(`There is no realm ${name}`);
        tools.result(shown(found), [JSON.stringify(shown(found), null, 2)]);
      }),
    );
  realm
    .command('set <name>')
    .description(
      'change settings of a realm, within 5 s on every instance; creates the realm if there is none',
    )
    .option('--issuer <name>', 'name shown in authenticator apps and messages')
    .option('--return-url <url>', 'where the ezGAuth page leads')
    .option('--frame-ancestor <origin...>', 'origins that may frame that page')
    .option('--country <code...>', 'countries that SMS and calls may go to: DE')
    .option('--texts <file>', 'JSON file: texts of messages, by language')
    .option('--meta <file>', 'JSON file: what GET realm/ answers as meta')
    .option('--clear <setting...>', `use the server’s: ${CLEARABLE.join(', ')}`)
    .action((name: string, options: Settings) =>
      withRealms(tools, async ({ realms, changes }) => {
        const wanted = await changesOf(options);
        const changed = await changes.change(
          name,
          (unit) => realms.set(unit, name, wanted),
          () => ({
            action: 'realm.set',
            details: { settings: namesOf(wanted) },
          }),
        );
        tools.result(shown(changed), [JSON.stringify(shown(changed), null, 2)]);
      }),
    );
  realm
    .command('delete <name>')
    .description('delete a realm with all its users and keys')
    .requiredOption(
      '--yes',
      'confirms it: nothing of the realm can be restored',
    )
    .action((name: string) =>
      withRealms(tools, async ({ realms, changes }) => {
        await realms.delete(
          name,
          (deleted) => tools.progress(`${deleted} users deleted`),
          (unit) => changes.note(unit, name, { action: 'realm.delete' }),
        );
        tools.result({ deleted: name }, ['Deleted']);
      }),
    );
  return realm;
}

async function withRealms(
  tools: CommandTools,
  work: (context: Awaited<ReturnType<typeof contextOf>>) => Promise<void>,
): Promise<void> {
  await tools.withServer(async (server) => work(await contextOf(server)));
}

async function contextOf(server: INestApplicationContext) {
  const { RealmsService } = await import('../../realms/realms.service.js');
  return {
    realms: server.get(RealmsService),
    changes: await NotedChanges.of(server),
  };
}

async function changesOf(options: Settings): Promise<object> {
  const { issuer, returnUrl, texts, meta, clear = [] } = options;
  const unknown = clear.find((name) => !CLEARABLE.includes(name));
  if (unknown !== undefined)
    throw new StartError(
      `--clear ${unknown}: there are ${CLEARABLE.join(', ')}`,
    );
  const changes = {
    issuer,
    returnUrl,
    frameAncestors: options.frameAncestor,
    countries: options.country,
    texts: texts === undefined ? undefined : await jsonOf(texts),
    meta: meta === undefined ? undefined : await jsonOf(meta),
    ...Object.fromEntries(clear.map((name) => [name, null])),
  };
  if (Object.values(changes).every((value) => value === undefined))
    throw new StartError('Give at least one setting; see realm set --help');
  return changes;
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
