import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../settings/clock.js';
import type { Message, Sender } from '../settings/sender.interface.js';

/** A message that was kept instead of sent. */
export interface OutboxMessage extends Message {
  /** ISO 8601, UTC. */
  sentAt: string;
}

const CAPACITY = 100;

/**
 * Keeps the last 100 messages in memory, for channels nothing is configured
 * for: development, tests, and a server that is being set up.
 */
@Injectable()
export class Outbox implements Sender {
  private kept: OutboxMessage[] = [];

  constructor(@Inject(CLOCK) private readonly now: Clock) {}

  async send(message: Message): Promise<void> {
    const sentAt = new Date(this.now()).toISOString();
    this.kept = [...this.kept, { ...message, sentAt }].slice(-CAPACITY);
  }

  /** Newest first. */
  messages(realm?: string): OutboxMessage[] {
    return this.kept
      .filter((message) => realm === undefined || message.realm === realm)
      .reverse();
  }

  clear(): void {
    this.kept = [];
  }
}
