import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../settings/clock.js';
import type { Message, Sender } from '../settings/sender.interface.js';

/** A message that was stored instead of sent. */
export interface OutboxMessage extends Message {
  /** ISO 8601, UTC. */
  sentAt: string;
}

/** Messages kept of each realm. */
const CAPACITY = 100;
/** Realms of which messages are kept; the one that was written to least recently is dropped first. */
const REALMS = 100;

/**
 * Keeps the last 100 messages of each realm in memory, for channels without a
 * sender: in development, in tests, and while a server is being set up.
 */
@Injectable()
export class Outbox implements Sender {
  private readonly kept = new Map<string, OutboxMessage[]>();

  constructor(@Inject(CLOCK) private readonly now: Clock) {}

  async send(message: Message): Promise<void> {
    const sentAt = new Date(this.now()).toISOString();
    const { realm } = message;
    const messages = [...(this.kept.get(realm) ?? []), { ...message, sentAt }];
    this.kept.delete(realm);
    this.kept.set(realm, messages.slice(-CAPACITY));
    const [oldest] = this.kept.keys();
    if (this.kept.size > REALMS) this.kept.delete(oldest!);
  }

  /** Newest first. Without a realm, those of all. */
  messages(realm?: string): OutboxMessage[] {
    if (realm !== undefined) return [...(this.kept.get(realm) ?? [])].reverse();
    return [...this.kept.values()]
      .flat()
      .reverse()
      .sort((a, b) => b.sentAt.localeCompare(a.sentAt));
  }

  clear(): void {
    this.kept.clear();
  }
}
