import { createServer, request as httpRequest } from 'node:http';
import { text } from 'node:stream/consumers';
import { listening } from './client.js';

/** What a filter in front of a server answers instead of it. */
export interface Refusal {
  status: number;
  type: string;
  body: string;
}

/**
 * Stands in front of a server as a web application firewall or rate limit does:
 * requests for which `refuse` names a refusal do not reach the server.
 *
 * @returns URL that ends in `/v1/`
 */
export async function filteringProxy(
  accessPoint: string,
  refuse: (body: string) => Refusal | undefined,
): Promise<string> {
  const { port, hostname } = new URL(accessPoint);
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      const refusal = refuse(body);
      if (refusal) {
        response.writeHead(refusal.status, { 'content-type': refusal.type });
        response.end(refusal.body);
        return;
      }
      const { method, url, headers } = request;
      const passed = httpRequest(
        { hostname, port, method, path: url, headers, agent: false },
        (answer) => {
          response.writeHead(answer.statusCode!, answer.headers);
          answer.pipe(response);
        },
      );
      passed.on('error', () => request.socket.destroy());
      passed.end(body);
    });
  });
  return `http://127.0.0.1:${await listening(server)}/v1/`;
}
