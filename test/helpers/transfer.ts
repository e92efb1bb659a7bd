import { randomBytes } from 'node:crypto';
import type { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { toBase32 } from '../../lib/server/factors/otp.js';
import { CLOCK } from '../../lib/server/settings/clock.js';
import { DATABASE, type Database } from '../../lib/server/store/database.js';
import { DataKeys } from '../../lib/server/store/data-keys.js';
import { FactorSecrets } from '../../lib/server/store/factor-secrets.js';
import { KeyRotation } from '../../lib/server/store/key-rotation.js';
import { Keyring } from '../../lib/server/store/keyring.js';
import type { Entry, Problem } from '../../lib/server/transfer/exchange.js';
import { exportLines } from '../../lib/server/transfer/exporter.js';
import {
  Importer,
  type ImportOptions,
  type ImportReport,
} from '../../lib/server/transfer/importer.js';
import type { Format } from '../../lib/server/transfer/readers/formats.js';
import { ImportRecoveryKeys } from '../../lib/server/transfer/import-recovery-keys.js';
import type { Input } from '../../lib/server/transfer/input.js';
import { readUsers } from '../../lib/server/transfer/readers/readers.js';

/** A file of a text, in pieces that end anywhere. */
export async function* pieces(
  text: string | Buffer,
  size = 1000,
): AsyncGenerator<Uint8Array, void> {
  const bytes = Buffer.from(text as string);
  for (let at = 0; at < bytes.length; at += size)
    yield bytes.subarray(at, at + size);
}

export const newSecret = (bytes = 20) => toBase32(randomBytes(bytes));

export interface Imported extends ImportReport {
  problems: Problem[];
  warningsSeen: Problem[];
}

/** Imports a file into a server. */
export async function importInto(
  server: GAuthifyTestServer,
  text: string | Buffer | Input,
  {
    format = 'jsonl',
    foreignSecret = '',
    ...options
  }: ImportOptions & { format?: Format; foreignSecret?: string } = {},
): Promise<Imported> {
  const keys = new ImportRecoveryKeys(server.app.get(DataKeys));
  const input =
    typeof text === 'string' || Buffer.isBuffer(text) ? pieces(text) : text;
  const users = readUsers(format, input, {
    foreignSecret: () => Promise.resolve(foreignSecret),
    onHeader: async (header) => keys.take(header),
  });
  const [problems, warningsSeen]: [Problem[], Problem[]] = [[], []];
  const report = await importerOf(server).run(users, {
    realm: 'test',
    recoveryKeys: () => keys.ids,
    beforeRecoveryCodes: (ids) => keys.store(ids),
    onRefused: (problem) => problems.push(problem),
    onWarning: (problem) => warningsSeen.push(problem),
    ...options,
  });
  await server.app.get(KeyRotation).look();
  return { ...report, problems, warningsSeen };
}

export function importerOf({ app }: GAuthifyTestServer): Importer {
  return new Importer(
    app.get<Database>(DATABASE),
    app.get(FactorSecrets),
    app.get<() => number>(CLOCK),
  );
}

/** Everything that a format holds. */
export async function entriesOf(
  format: Format,
  text: string,
  foreignSecret = '',
): Promise<Entry[]> {
  const entries: Entry[] = [];
  for await (const entry of readUsers(format, pieces(text), {
    foreignSecret: () => Promise.resolve(foreignSecret),
  }))
    entries.push(entry);
  return entries;
}

/** The export of a realm, or of all. @param each called with every piece */
export async function exportOf(
  server: GAuthifyTestServer,
  realm?: string,
  each: () => Promise<void> = async () => undefined,
): Promise<string> {
  const { app } = server;
  const services = {
    keyring: app.get(Keyring),
    secrets: app.get(FactorSecrets),
  };
  return await app.get<Database>(DATABASE).snapshot(async (db) => {
    let text = '';
    const report = { users: 0, apps: 0, recoveryCodes: 0 };
    for await (const lines of exportLines(db, realm, services, report)) {
      text += lines;
      await each();
    }
    return text;
  });
}

/** The lines of users of an export, without its header and end. */
export const usersOf = (text: string): any[] =>
  text
    .trim()
    .split('\n')
    .slice(1, -1)
    .map((line) => JSON.parse(line) as unknown);

export const jsonLines = (users: object[]) =>
  users.map((user) => `${JSON.stringify(user)}\n`).join('');
