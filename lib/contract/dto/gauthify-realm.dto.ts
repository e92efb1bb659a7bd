import { WireName } from './wire-name.decorator.js';

/** The realm of an API key: the tenant whose users the key reaches. */
export class GAuthifyRealm {
  /** Its name. */
  @WireName('name')
  name!: string;

  /** What was stored with it; `null` if nothing was. */
  @WireName('meta')
  meta!: Record<string, unknown> | null;
}
