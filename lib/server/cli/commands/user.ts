import { Command } from 'commander';
import type { AuditAction } from '../../audit/audit-event.js';
import type { GAuthifyError } from '../../../contract/errors/gauthify.error.js';
import type { AttemptLimiter } from '../../factors/attempt-limiter.js';
import type { FactorsService, User } from '../../factors/factors.service.js';
import type { Database, Unit } from '../../store/database.js';
import type { FactorRow } from '../../store/schema.js';
import type { UsersService } from '../../users/users.service.js';
import { NotFoundError } from '../../../contract/errors/not-found.error.js';
import { StartError } from '../../settings/start-error.js';
import { type CommandTools, shownTime } from '../command-tools.js';
import { NotedChanges } from '../noted-changes.js';

/** `user`: what support does for one person. */
export function userCommand(tools: CommandTools): Command {
  const user = new Command('user').description(
    'one user: what support does for a person',
  );
  user
    .command('show <realm> <unique-id>')
    .description('show a user, without secrets and codes')
    .action((realm: string, id: string) =>
      withUsers(
        tools,
        [realm, id],
        async ({ users, factors, attempts, database }) => {
          const data = await database.snapshot(async (db) => {
            const found = await users.get(db, realm, id);
            return shown(
              found,
              await factors.list(db, found),
              attempts.refusal(found),
            );
          });
          tools.result(
            data,
            Object.entries(data).map(
              ([name, value]) => `${name}: ${value ?? '-'}`,
            ),
          );
        },
      ),
    );
  user
    .command('unlock <realm> <unique-id>')
    .description('forgive wrong codes: the user need not wait')
    .action((realm: string, id: string) =>
      withUsers(tools, [realm, id], async ({ users, change }) => {
        await change('user.unlock', (unit) => users.unlock(unit, realm, id));
        tools.result({ unlocked: id }, ['Unlocked']);
      }),
    );
  user
    .command('reset <realm> <unique-id>')
    .description(
      'give a user a new secret: their app stops working, and they enrol again',
    )
    .action((realm: string, id: string) =>
      withUsers(tools, [realm, id], async ({ users, change }) => {
        await change('user.reset', (unit) =>
          users.update(unit, realm, id, { resetKey: true }),
        );
        tools.result({ reset: id }, [
          'Reset: the user enrols again, with their password',
        ]);
      }),
    );
  user
    .command('delete <realm> <unique-id>')
    .description('delete a user')
    .requiredOption('--yes', 'confirms it: a user cannot be restored')
    .action((realm: string, id: string) =>
      withUsers(tools, [realm, id], async ({ users, change }) => {
        await change('user.delete', (unit) => users.delete(unit, realm, id));
        tools.result({ deleted: id }, ['Deleted']);
      }),
    );
  return user;
}

async function withUsers(
  tools: CommandTools,
  [realm, id]: readonly [realm: string, id: string],
  work: (context: {
    users: UsersService;
    factors: FactorsService;
    attempts: AttemptLimiter;
    database: Database;
    change: (
      action: AuditAction,
      work: (unit: Unit) => Promise<User>,
    ) => Promise<User>;
  }) => Promise<void>,
): Promise<void> {
  await tools.withServer(async (server) => {
    const { UsersService } = await import('../../users/users.service.js');
    const { FactorsService } = await import('../../factors/factors.service.js');
    const { AttemptLimiter } = await import('../../factors/attempt-limiter.js');
    const changes = await NotedChanges.of(server);
    await work({
      users: server.get(UsersService),
      factors: server.get(FactorsService),
      attempts: server.get(AttemptLimiter),
      database: changes.database,
      change: (action, work) =>
        changes.change(realm, work, (user) => ({
          action,
          user: user.id,
          ...(action === 'user.delete' && {
            details: { name: changes.audit.nameOf(realm, id) },
          }),
        })),
    }).catch((error: unknown) => {
      if (!(error instanceof NotFoundError)) throw error;
      throw new StartError(`The realm ${realm} has no user ${id}`, {
        cause: error,
      });
    });
  });
}

const shown = (
  user: User,
  factors: readonly FactorRow[],
  refusal: GAuthifyError | undefined,
) => ({
  unique_id: user.unique_id,
  display_name: user.display_name,
  email: user.email,
  sms_number: user.sms_number,
  voice_number: user.voice_number,
  enrolled: user.enrolled === 1,
  wrong_codes: user.failures,
  refused: refusal?.message ?? null,
  recovery_codes_left: user.recovery_codes_left,
  // Of any app or one-time pass.
  last_used_at: shownTime(
    Math.max(...factors.map(({ last_used_at }) => last_used_at ?? 0)) || null,
  ),
  created_at: shownTime(user.created_at),
});
