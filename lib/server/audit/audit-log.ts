import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../settings/clock.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';
import type { Unit } from '../store/database.js';
import { Keyring } from '../store/keyring.js';
import type { AuditRow } from '../store/schema.js';
import type { AuditEntry } from './audit-event.js';
import { append, lockHead } from './audit-queries.js';

/**
 * Writes what was done, in the unit of work that does it. The rows of a realm are a
 * chain: each carries a hash of itself and of the hash before it, keyed, so that
 * someone who can write to the database cannot change one and make the rest fit.
 */
@Injectable()
export class AuditLog {
  constructor(
    @Inject(CLOCK) private readonly now: Clock,
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
    private readonly keyring: Keyring,
  ) {}

  /**
   * Appends events. To be called at the end of a unit: the end of a chain is
   * locked until the unit ends, and it is the last that every unit locks.
   */
  async append(unit: Unit, entries: readonly AuditEntry[]): Promise<void> {
    if (!this.settings.audit || entries.length === 0) return;
    // In one order, so that two units cannot deadlock.
    for (const realm of [...new Set(entries.map((one) => one.realm))].sort())
      await this.appendTo(
        unit,
        realm,
        entries.filter((one) => one.realm === realm),
      );
  }

  /** Stands for a `unique_id` in the details of `user.create` and `user.delete`: a keyed hash, which may not be an address. */
  nameOf(realm: string, uniqueId: string): string {
    return this.keyring.lookups(nameSubject(realm, uniqueId))[0];
  }

  private async appendTo(
    unit: Unit,
    realm: string,
    entries: readonly AuditEntry[],
  ): Promise<void> {
    const head = await lockHead(unit, realm);
    const at = this.now();
    let { number, hash } = head;
    const rows = entries.map(({ action, user, details, origin }) => {
      const row = {
        realm,
        number: ++number,
        at,
        actor: origin.actor,
        source: origin.source,
        request_id: origin.requestId,
        action,
        user_id: user ?? null,
        details: details ? JSON.stringify(details) : null,
      };
      hash = this.keyring.hash(chained(hash, row));
      return { ...row, hash };
    });
    await append(unit, rows);
  }
}

export const nameSubject = (realm: string, uniqueId: string) =>
  `audit name\n${realm}\n${uniqueId}`;

/** What the hash of a row is of. @param previous hash of the row before; empty for the first one */
export function chained(previous: string, row: Omit<AuditRow, 'hash'>): string {
  return JSON.stringify([
    'audit',
    previous,
    row.realm,
    row.number,
    row.at,
    row.actor,
    row.source,
    row.request_id,
    row.action,
    row.user_id,
    row.details,
  ]);
}
