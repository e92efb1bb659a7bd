import { STATUS_CODES, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { GAuthifyError } from '../../contract/errors/gauthify.error.js';
import { NotFoundError } from '../../contract/errors/not-found.error.js';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { ServerError } from '../../contract/errors/server.error.js';
import type { Clock } from '../settings/clock.js';
import { failure } from './envelope.js';

/** Node's `clientError` event: a request that it could not parse. */
interface ClientError extends NodeJS.ErrnoException {
  /** The bytes it was parsing at that moment. */
  rawPacket?: Buffer;
}

type Listener = (error: ClientError, socket: Socket) => void;

/** Time a client that is still writing has to read the answer. */
const LINGER_MS = 1_000;

/**
 * Answers requests that Node cannot parse with the envelope: the published
 * clients take Node's own 400 for success. Requests to the rest of the
 * application are answered as before.
 *
 * @param isOurs whether a URL belongs to this server; `undefined`: the URL is not known
 */
export function answerUnreadableRequests(
  server: Server,
  isOurs: (url: string | undefined) => boolean,
  now: Clock,
): void {
  const latest = new WeakMap<
    Socket,
    { isOurs: boolean; response: ServerResponse }
  >();
  const answered = new WeakSet<Socket>();
  server.prependListener('request', ({ url, socket }, response) => {
    latest.set(socket, { isOurs: isOurs(url), response });
  });
  const others = server.listeners('clientError') as Listener[];
  server.removeAllListeners('clientError');
  server.on('clientError', (error: ClientError, socket: Socket) => {
    const current = latest.get(socket);
    const url = urlOf(error);
    const mine = url === undefined && current ? current.isOurs : isOurs(url);
    if (!mine) {
      if (others.length === 0) answerAsNode(error, socket);
      for (const listener of others) listener.call(server, error, socket);
      return;
    }
    // Ignore what the client still writes after the answer.
    if (answered.has(socket)) return;
    answered.add(socket);
    const isAnswering =
      current?.response.headersSent && !current.response.writableFinished;
    if (!socket.writable || error.code === 'ECONNRESET' || isAnswering) {
      socket.destroy();
      return;
    }
    const body = failure(describe(error), now());
    socket.end(rawResponse(body.http_status, JSON.stringify(body)));
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  });
}

function describe(error: ClientError): GAuthifyError {
  const invalid = (message: string) =>
    new ParameterError(message, { errorCode: 'invalid_request' });
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return invalid('The headers of the request are too large');
    case 'HPE_INVALID_URL':
      return invalid(
        'The path must be percent-encoded UTF-8: it contains bytes that are not allowed in a URL',
      );
    case 'HPE_INVALID_METHOD':
      return new NotFoundError('There is no such method', {
        errorCode: 'path_not_found',
      });
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ServerError('The request did not arrive in full in time', {
        errorCode: 'request_timeout',
      });
    case undefined:
    default:
      return invalid('The request is not well-formed HTTP/1.1');
  }
}

/** The URL, if the bytes start with a request line. */
function urlOf({ rawPacket }: ClientError): string | undefined {
  return /^[A-Z-]+ (\S+)/.exec(rawPacket?.toString('latin1') ?? '')?.[1];
}

/** What Node does if there is no listener. */
function answerAsNode({ code }: ClientError, socket: Socket): void {
  const status =
    code === 'HPE_HEADER_OVERFLOW'
      ? 431
      : code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 408
        : 400;
  if (socket.writable && code !== 'ECONNRESET')
    socket.write(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`,
    );
  socket.destroy();
}

function rawResponse(status: number, body: string): string {
  return [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    'Connection: close',
    '',
    body,
  ].join('\r\n');
}

/** Handles `Expect` other than `100-continue` as a normal request: Node's 417 has no envelope. */
export function answerExpectations(
  server: Server,
  isOurs: (url: string | undefined) => boolean,
): void {
  const others = server.listeners('checkExpectation');
  server.removeAllListeners('checkExpectation');
  server.on('checkExpectation', (request, response) => {
    if (isOurs(request.url)) server.emit('request', request, response);
    else if (others.length === 0) response.writeHead(417).end();
    else for (const other of others) other.call(server, request, response);
  });
}
