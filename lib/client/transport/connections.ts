import { Agent, type Dispatcher, EnvHttpProxyAgent, Pool } from 'undici';

/** For connecting alone, and longer than any caller waits: each attempt has its own time limit. */
const CONNECT_TIMEOUT_MS = 30_000;

/** Connections to access points; through the proxy that the environment names, if any, as axios does. */
export function dispatcherOf(options: Agent.Options): Dispatcher {
  const settings: Agent.Options = {
    ...options,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    // Attempts and calls have time limits of their own.
    headersTimeout: 0,
    bodyTimeout: 0,
  };
  const hasProxy = Object.keys(process.env).some((name) =>
    /^https?_proxy$/i.test(name),
  );
  if (!hasProxy) return new Agent(settings);
  return new EnvHttpProxyAgent({
    ...settings,
    // http is forwarded, not tunnelled: many proxies tunnel only https.
    proxyTunnel: false,
    clientFactory: poolOfProxy,
  });
}

/**
 * Connections to a proxy. If the proxy closes one, undici would open another
 * without end, because it treats the error's code as temporary.
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
