import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What an access point of a test was asked. */
export interface SeenRequest {
  method: string;
  /** As it stood in the request line. */
  url: string;
  headers: IncomingMessage['headers'];
  body: string;
}

export type Respond = (
  response: ServerResponse,
  request: SeenRequest,
  socket: Socket,
) => void;

/** An HTTP server on a free port that answers as a test says. */
export interface AccessPoint {
  /** Ends in `/v1/`. */
  url: string;
  /** Every request so far. */
  seen: SeenRequest[];
  /** Resolves with the socket of the next request, once the request is there. */
  nextSocket: () => Promise<Socket>;
  close: () => Promise<void>;
}

export async function startAccessPoint(respond: Respond): Promise<AccessPoint> {
  const seen: SeenRequest[] = [];
  const waiting: ((socket: Socket) => void)[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      const entry = { method, url, headers, body };
      seen.push(entry);
      waiting.splice(0).forEach((resolve) => resolve(request.socket));
      respond(response, entry, request.socket);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`,
    seen,
    nextSocket: () => new Promise((resolve) => waiting.push(resolve)),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers with JSON. */
export const json =
  (
    status: number,
    body: unknown,
    headers: Record<string, string> = {},
  ): Respond =>
  (response) => {
    response.writeHead(status, {
      'content-type': 'application/json',
      ...headers,
    });
    response.end(JSON.stringify(body));
  };

/** Answers as GAuthify does when all is well. */
export const data = (value: unknown): Respond => json(200, { data: value });

/** Answers as GAuthify does when it refuses. */
export const refusal = (
  status: number,
  code = 'some_code',
  headers: Record<string, string> = {},
): Respond =>
  json(
    status,
    {
      error_message: `Sentence of ${status}`,
      error_code: code,
      http_status: status,
    },
    headers,
  );

/** Answers with a body that need not be JSON. */
export const text =
  (
    status: number,
    body: string,
    headers: Record<string, string> = {},
  ): Respond =>
  (response) => {
    response.writeHead(status, headers);
    response.end(body);
  };

/** Takes the request and never answers. */
export const hang: Respond = () => undefined;

/** Sends a byte now and then, for ever. */
export const dribble: Respond = (response, _, socket) => {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.write('{');
  const timer = setInterval(() => response.write(' '), 10);
  socket.once('close', () => clearInterval(timer));
};

/** Closes the connection instead of answering. */
export const hangUp: Respond = (_response, _request, socket) => {
  socket.destroy();
};

/** Closes the connection in the middle of the body. */
export const breakOff: Respond = (response, _, socket) => {
  response.writeHead(200, { 'content-length': '1000' });
  response.write('{"data":', () => socket.destroy());
};

/** Once this end's socket is gone, however that came about. */
export const closed = (socket: Socket): Promise<void> =>
  socket.closed
    ? Promise.resolve()
    : new Promise((resolve) => socket.once('close', () => resolve()));

/** URL of an access point where nothing listens. */
export async function deadUrl(): Promise<string> {
  const { url, close } = await startAccessPoint(hang);
  await close();
  return url;
}

/** A user as GAuthify sends one. */
export const wireUser = (fields: Record<string, unknown> = {}) => ({
  unique_id: 'jane',
  display_name: 'Jane',
  email: null,
  sms_number: null,
  voice_number: null,
  meta: null,
  key: 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ',
  otp: '12345678',
  qr_url: 'http://127.0.0.1/qr',
  ez_url: 'http://127.0.0.1/ez',
  instructions_url: 'http://127.0.0.1/instructions',
  display_text: 'Jane',
  created_at: '2026-01-01T00:00:00.000Z',
  groups: [],
  ...fields,
});
