import type { INestApplicationContext } from '@nestjs/common';
import type { AuditEvent } from '../audit/audit-event.js';
import type { AuditLog } from '../audit/audit-log.js';
import type { Database, Unit } from '../store/database.js';
import { CLI_ORIGIN } from './command-tools.js';

/** Changes of the database that the audit log tells of. */
export class NotedChanges {
  private constructor(
    readonly database: Database,
    readonly audit: AuditLog,
  ) {}

  static async of(server: INestApplicationContext): Promise<NotedChanges> {
    const { DATABASE } = await import('../store/database.js');
    const { AuditLog } = await import('../audit/audit-log.js');
    return new NotedChanges(
      server.get<Database>(DATABASE),
      server.get(AuditLog),
    );
  }

  /**
   * Changes something of a realm in one unit of work.
   *
   * @param eventOf the event; not noted if the work returned nothing, or false
   */
  change<Result>(
    realm: string,
    work: (unit: Unit) => Promise<Result>,
    eventOf: (result: Result) => AuditEvent,
  ): Promise<Result> {
    return this.database.unit(async (unit) => {
      const result = await work(unit);
      if (result) await this.note(unit, realm, eventOf(result));
      return result;
    });
  }

  /** Notes an event at the end of a unit. */
  note(unit: Unit, realm: string, event: AuditEvent): Promise<void> {
    return this.noteAll(unit, [{ ...event, realm }]);
  }

  noteAll(
    unit: Unit,
    events: readonly (AuditEvent & { realm: string })[],
  ): Promise<void> {
    return this.audit.append(
      unit,
      events.map((event) => ({ ...event, origin: CLI_ORIGIN })),
    );
  }
}
