import { Injectable } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import { GAuthifyService } from './gauthify.service.js';
import type { AccessPointHealth, HealthOptions } from './health.js';

type IndicatedHealth = {
  status: 'up' | 'down';
  accessPoints: AccessPointHealth[];
};

/**
 * A health indicator for `@nestjs/terminus`, which need not be installed.
 * Exported by `GAuthifyModule`. For a module with a name, make it yourself:
 * `new GAuthifyHealthIndicator(gauthify)`.
 *
 * @example
 * ```ts
 * @Get('health') @HealthCheck()
 * check() {
 *   return this.health.check([() => this.gauthify.isHealthy('gauthify')]);
 * }
 * ```
 */
@Injectable()
export class GAuthifyHealthIndicator {
  constructor(private readonly gauthify: GAuthifyService) {}

  /**
   * Asks every access point at once. `up` while at least one of them answers and
   * accepts the API key, and so calls work; `accessPoints` lists each.
   *
   * @param key name in the result of the health check
   */
  async isHealthy<Key extends string = 'gauthify'>(
    key: Key = 'gauthify' as Key,
    options: HealthOptions = {},
  ): Promise<Record<Key, IndicatedHealth>> {
    const accessPoints = await firstValueFrom(this.gauthify.health(options));
    const isUp = accessPoints.some(({ status }) => status === 'up');
    const status = isUp ? 'up' : 'down';
    return { [key]: { status, accessPoints } } as Record<Key, IndicatedHealth>;
  }
}
