import { Command, InvalidArgumentError } from 'commander';
import type {
  AuditQuery,
  AuditTrail,
  Verified,
} from '../../audit/audit-trail.js';
import type { AuditRow } from '../../store/schema.js';
import { StartError } from '../../settings/start-error.js';
import { CLI_ORIGIN, type CommandTools, shownTime } from '../command-tools.js';

/** A row that an operator noted down: where the chain was, and its hash there. */
interface Expected {
  realm: string;
  number: number;
  hash: string;
}

interface VerifyOptions {
  expect?: Expected[];
}

/** `audit`: what was done, by whom, and whether anybody changed the record of it. */
export function auditCommand(tools: CommandTools): Command {
  const audit = new Command('audit').description(
    'the audit log: what was done, by whom, when and from where',
  );
  const verify = audit
    .command('verify [realm]')
    .description('check that no row was altered, removed, added or moved')
    .option(
      '--expect <realm:number:hash>',
      'what an earlier verify printed, once for each realm: shows whether the end was cut off since',
      (text, others: Expected[] = []) => [...others, expected(text)],
    )
    .action((realm: string | undefined, { expect = [] }: VerifyOptions) => {
      const other = expect.find((one) => realm && one.realm !== realm);
      if (other)
        verify.error(
          `error: --expect names the realm ${other.realm}, and only ${realm} would be verified`,
        );
      return withTrail(tools, async (trail) => {
        const realms = new Set([
          ...(await realmsOf(trail, realm)),
          ...expect.map((one) => one.realm),
        ]);
        const results: Verified[] = [];
        for (const one of realms)
          results.push(
            await trail.verify(
              one,
              expect.filter((row) => row.realm === one),
              (number, last) =>
                tools.progress(`${one}: row ${number} of ${last}`),
            ),
          );
        tools.result(
          results.map((one) => ({ ...one, problem: one.problem ?? null })),
          results.length > 0 ? results.map(sentenceOf) : ['There are no rows'],
        );
        if (results.some(({ problem }) => problem)) process.exitCode = 1;
      });
    });
  audit
    .command('export [realm]')
    .description('print rows as JSON lines, the oldest first')
    .option('--since <time>', 'from this time on (ISO 8601)', time)
    .option('--until <time>', 'before this time (ISO 8601)', time)
    .option('--user <unique-id>', 'of this user, who may have been deleted')
    .action(
      (
        realm: string | undefined,
        { user: uniqueId, ...times }: AuditQuery & { user?: string },
      ) =>
        withTrail(tools, async (trail) => {
          for (const one of await realmsOf(trail, realm))
            for await (const row of trail.export(one, { ...times, uniqueId }))
              tools.print(JSON.stringify(shown(row)));
        }),
    );
  audit
    .command('prune <realm>')
    .description('delete old rows; the log says so, and can still be verified')
    .requiredOption('--before <time>', 'from before this time (ISO 8601)', past)
    .requiredOption('--yes', 'confirms it: rows cannot be restored')
    .action((realm: string, { before }: { before: number }) =>
      withTrail(tools, async (trail) => {
        await realmsOf(trail, realm);
        const deleted = await trail.prune(realm, before, CLI_ORIGIN, (rows) =>
          tools.progress(`${rows} rows deleted`),
        );
        tools.result({ deleted }, [`Deleted ${deleted} rows`]);
      }),
    );
  return audit;
}

async function withTrail(
  tools: CommandTools,
  work: (trail: AuditTrail) => Promise<void>,
): Promise<void> {
  await tools.withServer(async (server) => {
    const { AuditTrail } = await import('../../audit/audit-trail.js');
    await work(server.get(AuditTrail));
  });
}

/** @throws StartError if the realm has no rows */
async function realmsOf(
  trail: AuditTrail,
  realm: string | undefined,
): Promise<string[]> {
  const all = await trail.realms();
  if (realm === undefined) return all;
  if (!all.includes(realm))
    throw new StartError(`The audit log has no rows of a realm ${realm}`);
  return [realm];
}

const sentenceOf = ({ realm, first, last, hash, problem }: Verified) =>
  problem
    ? `${realm}: ${problem}`
    : `${realm}: rows ${first} to ${last} are as they were written; note down ${realm}:${last}:${hash}`;

const shown = (row: AuditRow) => ({
  realm: row.realm,
  number: row.number,
  at: shownTime(row.at),
  actor: row.actor,
  source: row.source,
  request_id: row.request_id,
  action: row.action,
  user: row.user_id,
  details: row.details === null ? null : (JSON.parse(row.details) as unknown),
  hash: row.hash,
});

function time(text: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms))
    throw new InvalidArgumentError('It must be a time such as 2026-01-31.');
  return ms;
}

function past(text: string): number {
  const ms = time(text);
  if (ms > Date.now())
    throw new InvalidArgumentError('It must not be in the future.');
  return ms;
}

function expected(text: string): Expected {
  // Also in the whole line that verify prints.
  const match = /(?:^|\s)([\w.-]{1,64}):(\d{1,15}):(\S+)$/.exec(text);
  if (!match)
    throw new InvalidArgumentError(
      'It must be what verify prints to note down.',
    );
  return { realm: match[1]!, number: Number(match[2]), hash: match[3]! };
}
