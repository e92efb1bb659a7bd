import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, type Clock } from '../settings/clock.js';
import type { Message, Sender } from '../settings/sender.interface.js';

/** A message that was stored instead of sent. */
export interface OutboxMessage extends Message {
  /** ISO 8601, UTC. */
  sentAt: string;
}

const CAPACITY = 100;

/**
 * Keeps the last 100 messages in memory, for channels without a sender: in
 * development, in tests, and while a server is being set up.
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
