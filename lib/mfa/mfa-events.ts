import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { GAUTHIFY_MODULE_OPTIONS } from '../client/client.options.js';
import type { AuthMethod } from '../contract/dto/check-result.dto.js';
import type { GAuthifyResolvedOptions } from './mfa.options.js';

/**
 * What happened: a code was asked for (`challenged`), accepted (`verified`) or
 * refused (`failed`); the user has to wait or is locked (`locked`); the user was
 * let in without a second factor, by `mfa.required` or by safe mode (`bypassed`).
 */
export type MfaEventType =
  'challenged' | 'verified' | 'failed' | 'locked' | 'bypassed';

/**
 * Passed to `mfa.onEvent`, and emitted as `gauthify.mfa.<type>` where
 * `@nestjs/event-emitter` is set up. Holds no code, secret or address.
 */
export interface MfaEvent {
  readonly type: MfaEventType;
  /** The user's `unique_id`. */
  readonly userId: string;
  /** With `verified`: the kind of code. */
  readonly method?: AuthMethod | null | undefined;
  /** With `bypassed`: `policy` is `mfa.required`. */
  readonly reason?: 'policy' | 'safe-mode' | undefined;
  readonly at: Date;
}

interface Emitter {
  emit(name: string, event: MfaEvent): unknown;
}

/** Emits what `MfaGuard` and the ready-made routes decided. */
@Injectable()
export class MfaEvents implements OnModuleInit {
  private readonly logger = new Logger(MfaEvents.name);
  private emitter: Emitter | undefined;

  constructor(
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    private readonly options: GAuthifyResolvedOptions,
    private readonly moduleRef: ModuleRef,
  ) {}

  async onModuleInit(): Promise<void> {
    try {
      const { EventEmitter2 } = await import('@nestjs/event-emitter');
      this.emitter = this.moduleRef.get<Emitter>(EventEmitter2, {
        strict: false,
      });
    } catch {
      // Not installed, or not set up: `onEvent` alone is called.
    }
  }

  /** Never throws, and is not awaited: a listener must not change the decision. */
  emit(event: Omit<MfaEvent, 'at'>): void {
    const emitted: MfaEvent = Object.freeze({
      ...event,
      at: new Date(Date.now()),
    });
    for (const listener of [
      () => this.options.mfa.onEvent?.(emitted),
      () => this.emitter?.emit(`gauthify.mfa.${emitted.type}`, emitted),
    ])
      void (async () => listener())().catch((error: unknown) => {
        this.logger.error(
          `A listener of MFA events failed: ${error instanceof Error ? error.name : typeof error}`,
        );
      });
  }
}
