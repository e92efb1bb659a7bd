export { GAuthifyServerModule } from './gauthify-server.module.js';
export type {
  KeyProvider,
  WrappedKey,
} from './settings/key-provider.interface.js';
export type {
  HttpGatewayOptions,
  TwilioOptions,
} from './settings/delivery-options.js';
export type { DkimOptions, SmtpOptions } from './settings/smtp-options.js';
export type { EncryptionKey } from './settings/encryption-keys.js';
export type {
  GAuthifyServerOptions,
  WhileLocked,
} from './settings/server.options.js';
export type {
  MetricsOptions,
  MetricsRegistry,
  RequestReport,
} from './settings/observability-options.js';
export type { RealmKey } from './settings/realm-key.js';
export {
  SECURITY_DEFAULTS,
  type SecurityOptions,
} from './settings/security.options.js';
export { StartError } from './settings/start-error.js';
export { ApiKeysService } from './realms/api-keys.service.js';
export { type Channel, CHANNELS } from '../contract/channel.js';
export { Outbox, type OutboxMessage } from './delivery/outbox.js';
export {
  DeliveryUnknownError,
  type Message,
  RecipientRefusedError,
  type Sender,
} from './settings/sender.interface.js';
export { optionsFromEnvironment } from './settings/environment.js';
