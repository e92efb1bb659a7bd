import { Injectable } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import type { AuthMethod } from '../dto/check-result.dto.js';
import type { GAuthifyUser } from '../dto/gauthify-user.dto.js';
import { GAuthifyService } from '../gauthify.service.js';

const TTL_MS = 30_000;
const CAPACITY = 1000;

/** What a user can prove themselves with, briefly remembered: each challenge names it. */
@Injectable()
export class MfaMethods {
  private readonly known = new Map<
    string,
    { until: number; methods: Promise<readonly AuthMethod[]> }
  >();

  constructor(private readonly gauthify: GAuthifyService) {}

  /** @throws GAuthifyError, as `getUser`; it is not remembered */
  of(userId: string): Promise<readonly AuthMethod[]> {
    const known = this.known.get(userId);
    if (known && known.until > Date.now()) return known.methods;
    const methods = firstValueFrom(this.gauthify.getUser(userId)).then(
      methodsOf,
    );
    this.known.delete(userId);
    this.known.set(userId, { until: Date.now() + TTL_MS, methods });
    // A Map keeps the order of insertion: the first is the oldest.
    if (this.known.size > CAPACITY)
      this.known.delete(this.known.keys().next().value!);
    methods.catch(() => this.forget(userId));
    return methods;
  }

  forget(userId: string): void {
    this.known.delete(userId);
  }
}

/** Kinds of code a user can be asked for. Never an address: who asks may not be the user. */
export function methodsOf(user: GAuthifyUser): readonly AuthMethod[] {
  const methods: AuthMethod[] = [];
  if (user.enrolled !== false) methods.push('totp');
  if (user.email) methods.push('email');
  if (user.smsNumber) methods.push('sms');
  if (user.voiceNumber) methods.push('voice');
  return methods;
}
