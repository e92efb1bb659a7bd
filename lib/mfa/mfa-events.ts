import { Inject, Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { GAUTHIFY_MODULE_OPTIONS } from '../client/client.options.js';
import type { MfaEvent } from './mfa-event.interface.js';
import type { GAuthifyResolvedOptions } from './mfa.options.js';

interface Emitter {
  emit(name: string, event: MfaEvent): unknown;
}

/** Tells whoever wants to know what `MfaGuard` decided. */
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
      // Not installed, or not set up: `onEvent` is told all the same.
    }
  }

  /** Never throws, and nobody waits for it: who listens must not change who is let in. */
  tell(event: Omit<MfaEvent, 'at'>): void {
    const told: MfaEvent = Object.freeze({
      ...event,
      at: new Date(Date.now()),
    });
    for (const listener of [
      () => this.options.mfa.onEvent?.(told),
      () => this.emitter?.emit(`gauthify.mfa.${told.type}`, told),
    ])
      void (async () => listener())().catch((error: unknown) => {
        this.logger.error(
          `A listener of MFA events failed: ${error instanceof Error ? error.name : typeof error}`,
        );
      });
  }
}
