import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { AxiosAdapter } from 'axios';
import { Agent, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';
import {
  GAUTHIFY_MODULE_OPTIONS,
  type ResolvedClientOptions,
} from '../client.options.js';
import { undiciAdapter } from './undici-adapter.js';

/** For connecting alone, and longer than anybody waits: attempts have clocks of their own. */
const CONNECT_TIMEOUT_MS = 30_000;

/** Connections, in the two shapes requests are made with. */
export interface Line {
  readonly dispatcher: Dispatcher;
  readonly adapter: AxiosAdapter;
}

/** The connections of one client, closed with the application. */
@Injectable()
export class Connections implements OnApplicationShutdown {
  /** Kept alive between calls, at most `maxSockets` to an access point. */
  readonly pool: Line;
  /** A new connection for each request, whatever the pool is busy with. */
  readonly apart: Line;

  constructor(@Inject(GAUTHIFY_MODULE_OPTIONS) options: ResolvedClientOptions) {
    const settings: Agent.Options = {
      connect: { timeout: CONNECT_TIMEOUT_MS },
      // The transport has clocks of its own, for the attempt and for the call.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    this.pool = lineOf({
      ...settings,
      connections: options.maxSockets,
      // One request after the other: one that breaks must not take others along.
      pipelining: 1,
    });
    // undici: 0 keeps no connection alive.
    this.apart = lineOf({ ...settings, pipelining: 0 });
  }

  /** Once the HTTP server has answered its last request: it may wait for a call. */
  async onApplicationShutdown(): Promise<void> {
    // Not `close`, which waits for calls whose callers are gone.
    await this.pool.dispatcher.destroy();
    await this.apart.dispatcher.destroy();
  }
}

function lineOf(settings: Agent.Options): Line {
  // As axios' own adapter: where the environment names a proxy, through that.
  const hasProxy = Object.keys(process.env).some((name) =>
    /^https?_proxy$/i.test(name),
  );
  const dispatcher = hasProxy
    ? new EnvHttpProxyAgent({
        ...settings,
        // http is passed on as it is: many proxies tunnel https alone.
        proxyTunnel: false,
        clientFactory: poolOfProxy,
      })
    : new Agent(settings);
  return { dispatcher, adapter: undiciAdapter(dispatcher) };
}

/**
 * Connections to a proxy. Of one that closes them undici would make another,
 * and another, without end: it takes the code of its own for one that passes.
 */
function poolOfProxy(origin: URL, options: object): Dispatcher {
  const pool = new Pool(origin, options);
  const connect: Connect = pool.connect.bind(pool);
  const connectOnce: Connect = (connectOptions) =>
    connect(connectOptions).catch((cause: unknown) => {
      throw Object.assign(new Error('The proxy failed', { cause }), {
        code: 'ECONNRESET',
      });
    });
  return Object.assign(pool, { connect: connectOnce });
}

type Connect = (
  options: Dispatcher.ConnectOptions,
) => Promise<Dispatcher.ConnectData>;
