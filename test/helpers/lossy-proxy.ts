import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
} from 'node:http';
import { listening } from './client.js';

/** Passes requests on to a server, and loses what a test wants lost. */
export interface LossyProxy {
  /** Ends in `/v1/`. */
  url: string;
  /** `POST /v1/check/` and so on, as they arrived. */
  seen: string[];
  /** Whether the answer to a request is lost, once the server has given it. */
  loses: (request: IncomingMessage) => boolean;
  /** Closes every connection, also those with a request on its way, until {@link revive}. */
  die: () => void;
  revive: () => void;
}

export async function lossyProxy(accessPoint: string): Promise<LossyProxy> {
  const { port, hostname } = new URL(accessPoint);
  const proxy: LossyProxy = {
    url: '',
    seen: [],
    loses: () => false,
    die: () => {
      isDead = true;
      server.closeAllConnections();
    },
    revive: () => {
      isDead = false;
    },
  };
  let isDead = false;
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    proxy.seen.push(`${method} ${url}`);
    const passed = httpRequest(
      { hostname, port, method, path: url, headers, agent: false },
      (answer) => {
        // The server is through with it: it acted.
        if (proxy.loses(request)) {
          answer.resume();
          answer.on('end', () => request.socket.destroy());
          return;
        }
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      },
    );
    passed.on('error', () => request.socket.destroy());
    request.pipe(passed);
  });
  server.on('connection', (socket) => {
    if (isDead) socket.destroy();
  });
  proxy.url = `http://127.0.0.1:${await listening(server)}/v1/`;
  return proxy;
}
