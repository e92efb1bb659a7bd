export {
  GAuthifyTestServer,
  type GAuthifyTestServerOptions,
} from './gauthify-test-server.js';
export type { Channel } from '../contract/channel.js';
export type { OutboxMessage } from '../server/delivery/outbox.js';
