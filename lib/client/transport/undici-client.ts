import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Dispatcher } from 'undici';
import {
  GAUTHIFY_MODULE_OPTIONS,
  type ResolvedClientOptions,
} from '../client.options.js';
import { dispatcherOf } from './connections.js';
import {
  type Answer,
  type HttpClient,
  type HttpRequest,
  type PendingRequest,
  TOO_LARGE,
} from './http-client.js';

/** The client's own HTTP client: connections that are closed with the application. */
@Injectable()
export class UndiciClient implements HttpClient, OnApplicationShutdown {
  /** Kept alive between calls, at most `maxSockets` to an access point. */
  private readonly pool: Dispatcher;
  /** A new connection for each request, even if the pool is exhausted. */
  private readonly apart: Dispatcher;
  private readonly authorization: string;

  constructor(
    @Inject(GAUTHIFY_MODULE_OPTIONS)
    { apiKey, maxSockets }: ResolvedClientOptions,
  ) {
    // One request at a time on a connection: one that breaks must not fail others.
    this.pool = dispatcherOf({ connections: maxSockets, pipelining: 1 });
    // undici: 0 keeps no connection alive.
    this.apart = dispatcherOf({ pipelining: 0 });
    this.authorization = `Basic ${Buffer.from(`:${apiKey}`).toString('base64')}`;
  }

  send(request: HttpRequest): PendingRequest {
    request.headers['Authorization'] = this.authorization;
    return this.dispatch(request);
  }

  /** Starts a request as it is, with the authorization it has or has not. */
  dispatch(request: HttpRequest): PendingRequest {
    const { url, method, headers, body } = request;
    // At least `https://host/`: the third slash ends the origin.
    const slash = url.indexOf('/', url.indexOf('//') + 2);
    const [origin, path] = [url.slice(0, slash), url.slice(slash)];
    return new UndiciRequest(
      request.isApart ? this.apart : this.pool,
      { origin, path, method, headers, body },
      request.maxAnswerBytes,
    );
  }

  mayWaitForConnection(): boolean {
    return false;
  }

  /** After the HTTP server has answered its last request, which may wait for a call. */
  async onApplicationShutdown(): Promise<void> {
    // Not `close`, which waits for calls whose callers are gone.
    await this.pool.destroy();
    await this.apart.destroy();
  }
}

/**
 * One HTTP request, below undici's `request`: without the stream of the body,
 * which costs more than all the rest.
 *
 * A class whose state is released with the answer, not closures: those kept V8's
 * collection of young objects from freeing bodies, and doubled the memory of a
 * process that read many of them.
 */
class UndiciRequest implements PendingRequest, Dispatcher.DispatchHandler {
  readonly answer: Promise<Answer>;
  private resolve!: (answer: Answer) => void;
  private reject!: (error: Error) => void;
  private controller: Dispatcher.DispatchController | undefined;
  private isWritten = false;
  private isAborted = false;
  private status = 0;
  private headers: Record<string, unknown> = {};
  private chunks: Buffer[] = [];
  private bytes = 0;

  constructor(
    dispatcher: Dispatcher,
    options: Dispatcher.DispatchOptions,
    private readonly maxAnswerBytes: number,
  ) {
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    dispatcher.dispatch(options, this);
  }

  abort(): void {
    this.isAborted = true;
    this.controller?.abort(new Error('aborted'));
    this.reject(failure('ERR_CANCELED'));
  }

  isUnwritten(): boolean {
    return !this.isWritten;
  }

  /** Called on an open connection (TLS included), before the first byte. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isAborted) controller.abort(new Error('aborted'));
    else this.isWritten = true;
  }

  onResponseStart(
    _: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, unknown>,
  ): void {
    this.status = status;
    this.headers = headers;
  }

  onResponseData(
    controller: Dispatcher.DispatchController,
    chunk: Buffer,
  ): void {
    this.bytes += chunk.length;
    if (this.bytes <= this.maxAnswerBytes) {
      this.chunks.push(chunk);
      return;
    }
    this.chunks = [];
    this.reject(failure(TOO_LARGE));
    controller.abort(new Error('too large'));
  }

  onResponseEnd(): void {
    const { status, headers, chunks } = this;
    this.controller = undefined;
    const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    this.resolve({ status, headers, text: body.toString('utf8') });
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.controller = undefined;
    this.reject(failure(codeOf(error), error));
  }
}

function failure(code: string, cause?: unknown): Error {
  return Object.assign(new Error('The request failed', { cause }), { code });
}

/** Node's names for what undici names differently. */
const CODES: Record<string, string> = {
  UND_ERR_SOCKET: 'ECONNRESET',
  UND_ERR_CONNECT_TIMEOUT: 'ETIMEDOUT',
};

function codeOf(error: unknown): string {
  const { code, errors } = error as { code?: unknown; errors?: unknown[] };
  // A host name with two addresses, both refused.
  if (typeof code !== 'string' && errors?.length) return codeOf(errors[0]);
  const text = typeof code === 'string' ? code : 'ERR_NETWORK';
  return CODES[text] ?? text;
}
