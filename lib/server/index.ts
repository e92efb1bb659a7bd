export { GAuthifyServerModule } from './gauthify-server.module.js';
export type {
  EncryptionKey,
  GAuthifyServerOptions,
  RealmKey,
  WhileLocked,
} from './server-options.js';
export { SECURITY_DEFAULTS, type SecurityOptions } from './security-options.js';
export { StartError } from './start-error.js';
export { ApiKeysService } from './api/api-keys.service.js';
export { type Channel, CHANNELS } from './delivery/channel.js';
export { Outbox, type OutboxMessage } from './delivery/outbox.js';
export {
  DeliveryUnknownError,
  type Message,
  type Sender,
} from './delivery/sender.interface.js';
export { optionsFromEnvironment } from './environment.js';
