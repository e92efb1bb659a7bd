import { Injectable } from '@nestjs/common';
import { firstValueFrom } from 'rxjs';
import { GAuthifyService } from './gauthify.service.js';
import type {
  AccessPointHealth,
  HealthOptions,
} from './access-point-health.interface.js';

/**
 * A health indicator for `@nestjs/terminus`, which it does not need to be
 * installed. Exported by `GAuthifyModule`; of one with a name, it is
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
   * Asks every access point, all at once. `up` while one of them answers and
   * takes the API key, which is when calls work; each is told of in `accessPoints`.
   *
   * @param key name in the health check's result
   */
  async isHealthy<Key extends string = 'gauthify'>(
    key: Key = 'gauthify' as Key,
    options: HealthOptions = {},
  ): Promise<
    Record<Key, { status: 'up' | 'down'; accessPoints: AccessPointHealth[] }>
  > {
    const accessPoints = await firstValueFrom(this.gauthify.health(options));
    const isUp = accessPoints.some(({ status }) => status === 'up');
    return {
      [key]: { status: isUp ? 'up' : 'down', accessPoints },
    } as Record<
      Key,
      { status: 'up' | 'down'; accessPoints: AccessPointHealth[] }
    >;
  }
}
