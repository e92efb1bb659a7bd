import { Command } from 'commander';
import type { INestApplicationContext } from '@nestjs/common';
import type { EncryptTo } from '../../transfer/encryption.js';
import type { ExportReport } from '../../transfer/exporter.js';
import type { Input } from '../../transfer/input.js';
import { StartError } from '../../settings/start-error.js';
import type { CommandTools } from '../command-tools.js';
import { NotedChanges } from '../noted-changes.js';
import { readSecret } from '../read-secret.js';

const MIN_PASSPHRASE_LENGTH = 12;

interface Options {
  realm?: string;
  all?: true;
  plain?: true;
  force?: true;
  recipient?: string[];
  passphraseFile?: string;
}

/** `export`: all users with their factors, as they are at one moment. */
export function exportCommand(tools: CommandTools): Command {
  return new Command('export')
    .description('write all users with their factors to a file')
    .argument('<file>', 'the file, or - for the standard output')
    .option('--realm <realm>', 'the users of this realm')
    .option('--all', 'the users of all realms')
    .option(
      '--recipient <age1…>',
      'encrypt to a public key of age; may be given again',
      (value: string, before: string[] = []) => [...before, value],
    )
    .option(
      '--passphrase-file <file>',
      'encrypt with the passphrase in a file, - for the standard input (GAUTHIFY_PASSPHRASE, or asks)',
    )
    .option(
      '--plain',
      'do not encrypt: whoever has the file can make the codes of all users',
    )
    .option('--force', 'replace a file of that name')
    .addHelpText(
      'after',
      `
Examples:
  gauthify-server export users.age --realm shop
  gauthify-server export users.age --all --recipient age1…`,
    )
    .action(async (file: string, options: Options, command: Command) => {
      check(options, command);
      const to = await encryptionOf(options, tools);
      const report = await tools.withServer((server) =>
        exportUsers(file, to, options, tools, server),
      );
      const lines = sentencesOf(report, to === undefined);
      if (file !== '-') return tools.result(report, lines);
      // Beside the export itself.
      if (tools.isJson) tools.note(JSON.stringify(report));
      else lines.forEach((line) => tools.note(line));
    });
}

function check(options: Options, command: Command): void {
  const { realm, all, plain, recipient, passphraseFile } = options;
  if ((realm === undefined) === (all === undefined))
    command.error('error: give either --realm <realm> or --all');
  const ways = [plain, recipient, passphraseFile];
  if (ways.filter((way) => way !== undefined).length > 1)
    command.error(
      'error: give one of --recipient, --passphrase-file and --plain',
    );
}

async function encryptionOf(
  { plain, recipient, passphraseFile }: Options,
  { env }: CommandTools,
): Promise<EncryptTo | undefined> {
  if (plain) return undefined;
  if (recipient) return { recipients: recipient };
  const passphrase = await readSecret({
    name: 'The passphrase',
    file: passphraseFile,
    option: '--passphrase-file',
    value: env.GAUTHIFY_PASSPHRASE,
    variable: 'GAUTHIFY_PASSPHRASE',
    isNew: true,
  });
  if (passphrase.length < MIN_PASSPHRASE_LENGTH)
    throw new StartError(
      `The passphrase must have at least ${MIN_PASSPHRASE_LENGTH} characters: whoever has the file can try as many as they like`,
    );
  return { passphrase };
}

async function exportUsers(
  file: string,
  to: EncryptTo | undefined,
  { realm, force }: Options,
  tools: CommandTools,
  server: INestApplicationContext,
): Promise<ExportReport> {
  const { FactorSecrets } = await import('../../store/factor-secrets.js');
  const { Keyring } = await import('../../store/keyring.js');
  const { encrypt } = await import('../../transfer/encryption.js');
  const { exportLines, realmsOf } = await import('../../transfer/exporter.js');
  const { writeFile } = await import('../../transfer/output-file.js');
  const { RealmsService } = await import('../../realms/realms.service.js');
  if (realm !== undefined) await server.get(RealmsService).get(realm);
  const changes = await NotedChanges.of(server);
  const { database } = changes;
  const services = {
    keyring: server.get(Keyring),
    secrets: server.get(FactorSecrets),
  };
  // Before anything can be read: also of an export that is interrupted.
  const realms = realm === undefined ? await realmsOf(database.read) : [realm];
  const events = realms.map((one) => ({
    realm: one,
    action: 'export' as const,
  }));
  await database.unit((unit) => changes.noteAll(unit, events));
  let attempts = 0;
  return await database.snapshot(async (db) => {
    attempts += 1;
    if (attempts > 1 && file === '-')
      throw new StartError(
        'The connection to the database was lost: what was written is incomplete',
      );
    const report: ExportReport = { users: 0, apps: 0, recoveryCodes: 0 };
    const lines = exportLines(db, realm, services, report);
    const bytes = told(lines, () =>
      tools.progress(`${report.users} users written`),
    );
    const content = to ? await encrypt(bytes, to) : bytes;
    if (file === '-') await writeToStdout(content);
    else await writeFile(file, content, force === true);
    return report;
  }, 'commands');
}

async function* told(
  lines: AsyncIterable<string>,
  onEach: () => void,
): AsyncGenerator<Uint8Array, void> {
  for await (const text of lines) {
    yield Buffer.from(text);
    onEach();
  }
}

async function writeToStdout(content: Input): Promise<void> {
  for await (const chunk of content)
    await new Promise<void>((resolve, reject) =>
      process.stdout.write(chunk, (error) =>
        error ? reject(error) : resolve(),
      ),
    );
}

function sentencesOf(
  { users, apps, recoveryCodes }: ExportReport,
  isPlain: boolean,
): string[] {
  const all = `${users} users with ${apps} authenticator apps and ${recoveryCodes} recovery codes.`;
  return isPlain
    ? [
        `Exported ${all}`,
        'The file is not encrypted: whoever has it can make the codes of all users.',
      ]
    : [`Exported ${all}`];
}
