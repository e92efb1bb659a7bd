import { Command, InvalidArgumentError } from 'commander';
import type { RealmsService } from '../../realms/realms.service.js';
import type { DatabaseUse } from '../../settings/database-use.js';
import type {
  NewKey,
  StoredKey,
  StoredKeys,
} from '../../realms/stored-keys.js';
import { StartError } from '../../settings/start-error.js';
import { type CommandTools, shownTime } from '../command-tools.js';
import { NotedChanges } from '../noted-changes.js';

const HOUR_MS = 60 * 60 * 1000;

/** `key`: the API keys in the database. */
export function keyCommand(tools: CommandTools): Command {
  const key = new Command('key').description(
    'API keys in the database; those of GAUTHIFY_API_KEYS are not listed',
  );
  key
    .command('create <realm>')
    .description('make a key, and print it this once')
    .option('--name <name>', 'what it is for', keyName)
    .action((realm: string, { name }: { name?: string }) =>
      withKeys(tools, 'create', async ({ keys, realms, changes }) => {
        const { checkName } = await import('../../realms/realms.service.js');
        checkName(realm);
        if (!(await realms.find(realm)))
          tools.step(`The realm ${realm} is new`);
        const made = await changes.change(
          realm,
          (unit) => keys.create(unit, realm, name ?? null),
          (key) => ({ action: 'key.create', details: { key: key.id } }),
        );
        show(tools, realm, made);
      }),
    );
  key
    .command('list [realm]')
    .description('list keys, without what they are')
    .action((realm: string | undefined) =>
      withKeys(tools, 'use', async ({ keys, realms, changes }) => {
        if (realm !== undefined) await realms.get(realm);
        const all = await keys.list(changes.database.read, realm);
        tools.result(
          all.map(shown),
          all.length > 0 ? all.map(lineOf) : ['There is none'],
        );
      }),
    );
  key
    .command('rotate <realm> <id>')
    .description(
      'make a key in the place of another, which works on for a while',
    )
    .option('--grace-hours <hours>', 'how long the old one works', hours, 24)
    .action((realm: string, id: string, options: { graceHours: number }) =>
      withKeys(tools, 'use', async ({ keys, changes }) => {
        const made = await changes.change(
          realm,
          (unit) => keys.rotate(unit, realm, id, options.graceHours * HOUR_MS),
          (key) => ({
            action: 'key.rotate',
            details: { key: id, to: key!.id },
          }),
        );
        if (!made) throw noSuchKey(realm, id);
        show(tools, realm, made);
        tools.step(`The old key works for ${options.graceHours} hours more`);
      }),
    );
  key
    .command('revoke <realm> <id>')
    .description('end a key, within 5 s on every instance')
    .action((realm: string, id: string) =>
      withKeys(tools, 'use', async ({ keys, changes }) => {
        const isDone = await changes.change(
          realm,
          (unit) => keys.revoke(unit, realm, id),
          () => ({ action: 'key.revoke', details: { key: id } }),
        );
        if (!isDone) throw noSuchKey(realm, id);
        tools.result({ revoked: id }, ['Revoked']);
      }),
    );
  return key;
}

async function withKeys(
  tools: CommandTools,
  use: DatabaseUse,
  work: (context: {
    keys: StoredKeys;
    realms: RealmsService;
    changes: NotedChanges;
  }) => Promise<void>,
): Promise<void> {
  await tools.withServer(async (server) => {
    const { StoredKeys } = await import('../../realms/stored-keys.js');
    const { RealmsService } = await import('../../realms/realms.service.js');
    await work({
      keys: server.get(StoredKeys),
      realms: server.get(RealmsService),
      changes: await NotedChanges.of(server),
    });
  }, use);
}

function show(tools: CommandTools, realm: string, { id, key }: NewKey): void {
  tools.result({ realm, id, key }, [
    `API key of realm ${realm}, with the id ${id}, shown only this once: ${key}`,
  ]);
}

const shown = (key: StoredKey) => ({
  id: key.id,
  realm: key.realm,
  name: key.name,
  created_at: shownTime(key.created_at),
  last_used_at: shownTime(key.last_used_at),
  expires_at: shownTime(key.expires_at),
});

const lineOf = (key: StoredKey) =>
  [
    key.id,
    key.realm,
    key.name ?? '-',
    `created ${shownTime(key.created_at)}`,
    `last used ${shownTime(key.last_used_at) ?? 'never'}`,
    `expires ${shownTime(key.expires_at) ?? 'never'}`,
  ].join('\t');

function hours(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number of hours.');
}

const noSuchKey = (realm: string, id: string) =>
  new StartError(
    `The realm ${realm} has no key with the id ${id}: see gauthify-server key list ${realm}`,
  );

/** Shown in terminals. */
function keyName(text: string): string {
  if (!/^\P{C}{1,64}$/u.test(text))
    throw new InvalidArgumentError(
      'It must be 1 to 64 characters, without control characters.',
    );
  return text;
}
