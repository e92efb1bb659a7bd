import { Command, Option } from 'commander';
import type { INestApplicationContext } from '@nestjs/common';
import type { AuditEvent } from '../../audit/audit-event.js';
import type { ExportRealm, Problem } from '../../transfer/exchange.js';
import type {
  Existing,
  ImportReport,
  StoredUsers,
} from '../../transfer/importer.js';
import type { KeycloakId } from '../../transfer/readers/keycloak.js';
import { type Format, FORMATS } from '../../transfer/readers/formats.js';
import { isObject, shown } from '../../settings/option-type.js';
import { REALM, REALM_IS } from '../../settings/realm-key.js';
import { StartError } from '../../settings/start-error.js';
import type { CommandTools } from '../command-tools.js';
import { tellImport } from '../import-report.js';
import { foreignSecretOf, type ImportKeys, keysOf } from '../import-keys.js';
import { NotedChanges } from '../noted-changes.js';
import { openFile } from '../open-file.js';

interface Options extends ImportKeys {
  format: Format;
  realm?: string;
  existing: Existing;
  dryRun?: true;
  keycloakId: KeycloakId;
}

/** `import`: users of a file, an export of this program or of another system. */
export function importCommand(tools: CommandTools): Command {
  return new Command('import')
    .description(
      'create the users of a file: an export of this program, or of another system',
    )
    .argument('<file>', 'the file, or - for the standard input')
    .addOption(
      new Option('--format <format>', 'what the file is')
        .choices(FORMATS)
        .default('jsonl', 'jsonl: an export, or JSON lines'),
    )
    .option('--realm <realm>', 'realm of the users; an export has its own')
    .addOption(
      new Option('--existing <what>', 'what to do with users who exist')
        .choices(['skip', 'update', 'fail'])
        .default('skip'),
    )
    .option('--dry-run', 'check everything, and change nothing')
    .option(
      '--passphrase-file <file>',
      'open an encrypted file with the passphrase in a file, - for the standard input (GAUTHIFY_PASSPHRASE, or asks)',
    )
    .option(
      '--identity-file <file>',
      'open an encrypted file with the private keys of age in a file',
    )
    .option(
      '--secret-file <file>',
      'secret of better-auth or key of privacyIDEA, in a file, - for the standard input (BETTER_AUTH_SECRET, BETTER_AUTH_SECRETS, PRIVACYIDEA_KEY, or asks)',
    )
    .addOption(
      new Option(
        '--keycloak-id <field>',
        'which field of a Keycloak user is the unique_id',
      )
        .choices(['username', 'id', 'email'])
        .default('username'),
    )
    .addHelpText(
      'after',
      `
Examples:
  gauthify-server import users.age --dry-run
  gauthify-server import realm-users-0.json --format keycloak --realm shop`,
    )
    .action(async (file: string, options: Options, command: Command) => {
      check(file, options, command);
      const report = await tools.withServer(
        (server) => importUsers(file, options, tools, server),
        options.dryRun ? 'use' : 'create',
      );
      tellImport(report, options.dryRun === true, tools);
      // Whoever runs a script has to look at what is missing.
      if (report.refused > 0) process.exitCode = 1;
    });
}

function check(
  file: string,
  { format, realm, passphraseFile, identityFile, secretFile }: Options,
  command: Command,
): void {
  if (format !== 'jsonl' && realm === undefined)
    command.error(
      `error: give --realm <realm>: a file of format ${format} has none`,
    );
  if (format === 'jsonl' && /\.csv$/i.test(file))
    command.error('error: give --format csv for a CSV file');
  if (realm !== undefined && !REALM.test(realm))
    command.error(`error: --realm must be ${REALM_IS}`);
  if (
    [file, passphraseFile, identityFile, secretFile].filter(
      (one) => one === '-',
    ).length > 1
  )
    command.error(
      'error: only one of the file and the secrets can come from the standard input',
    );
}

async function importUsers(
  file: string,
  options: Options,
  tools: CommandTools,
  server: INestApplicationContext,
): Promise<ImportReport> {
  const { CLOCK } = await import('../../settings/clock.js');
  const { DataKeys } = await import('../../store/data-keys.js');
  const { FactorSecrets } = await import('../../store/factor-secrets.js');
  const { decrypt } = await import('../../transfer/encryption.js');
  const { Importer } = await import('../../transfer/importer.js');
  const { ImportRecoveryKeys } =
    await import('../../transfer/import-recovery-keys.js');
  const { readUsers } = await import('../../transfer/readers/readers.js');
  const { RealmsService } = await import('../../realms/realms.service.js');
  const { realm } = options;
  if (realm !== undefined && !(await server.get(RealmsService).hasKey(realm)))
    tools.step(
      `The realm ${realm} has no API key here: gauthify-server key create ${realm}`,
    );
  const changes = await NotedChanges.of(server);
  const isDryRun = options.dryRun === true;
  const input = await decrypt(
    file === '-' ? process.stdin : await openFile(file),
    (isForPassphrase) => keysOf(options, tools.env, isForPassphrase),
    options.passphraseFile !== undefined || options.identityFile !== undefined,
  );
  const keys = new ImportRecoveryKeys(server.get(DataKeys));
  const users = readUsers(options.format, input, {
    foreignSecret: (format) => foreignSecretOf(format, options, tools.env),
    keycloakId: options.keycloakId,
    onRealm: (given) => addRealm(given, options, changes, server, tools),
    onHeader: async (header) => keys.take(header),
  });
  const tell = (kind: string, { line, reason }: Problem) =>
    tools.note(
      tools.isJson
        ? JSON.stringify({ line, [kind]: reason })
        : `line ${line}: ${kind}: ${reason}`,
    );
  const importer = new Importer(
    changes.database,
    server.get(FactorSecrets),
    server.get<() => number>(CLOCK),
  );
  return await importer.run(users, {
    realm: options.realm,
    existing: options.existing,
    dryRun: isDryRun,
    recoveryKeys: () => keys.ids,
    beforeRecoveryCodes: (ids) => keys.store(ids),
    onStored: (unit, stored) => changes.noteAll(unit, eventsOf(stored)),
    onRefused: (problem) => tell('refused', problem),
    onWarning: (problem) => tell('warning', problem),
    onProgress: ({ read }) => tools.progress(`${read} users read`),
  });
}

/**
 * Creates a realm with the settings of an export. A realm that exists keeps its own:
 * a file must not change where the users of a realm are redirected.
 *
 * @returns what is wrong with the settings
 */
async function addRealm(
  { realm, realm_settings: given }: ExportRealm,
  { dryRun, realm: own }: Options,
  changes: NotedChanges,
  server: INestApplicationContext,
  tools: CommandTools,
): Promise<string | undefined> {
  // They are those of another realm.
  if (own !== undefined && own !== realm) return undefined;
  const { RealmsService } = await import('../../realms/realms.service.js');
  const { checkRealmChanges } = await import('../../realms/realm-settings.js');
  const realms = server.get(RealmsService);
  const settings = isObject(given) ? given : {};
  try {
    checkRealmChanges(settings);
    const isThere = (await realms.find(realm)) !== undefined;
    tools.step(
      isThere
        ? `Realm ${shown(realm)} exists: its settings stay as they are`
        : `Realm ${shown(realm)} gets the settings ${Object.keys(settings).join(', ') || 'of the server'}`,
    );
    if (!dryRun && !isThere)
      await changes.change(
        realm,
        (unit) => realms.set(unit, realm, settings),
        () => ({
          action: 'realm.create',
          details: { settings: Object.keys(settings) },
        }),
      );
    return undefined;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return `settings of a realm: ${error.message}`;
  }
}

/** One event for the created users of each realm, and one for each updated user. */
function eventsOf({
  created,
  updated,
}: StoredUsers): (AuditEvent & { realm: string })[] {
  const counts = new Map<string, number>();
  for (const { realm } of created)
    counts.set(realm, (counts.get(realm) ?? 0) + 1);
  return [
    ...[...counts].map(([realm, count]) => ({
      realm,
      action: 'import' as const,
      details: { created: count },
    })),
    ...updated.map(({ realm, id, fields }) => ({
      realm,
      action: 'user.update' as const,
      user: id,
      details: { fields },
    })),
  ];
}
