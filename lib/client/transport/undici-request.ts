import { AxiosError } from 'axios';
import type { Dispatcher } from 'undici';

/** An answer as it arrived. */
export interface RawAnswer {
  status: number;
  headers: Record<string, unknown>;
  text: string;
}

/** A request that was sent on its way. */
export interface Request {
  /** Rejects with an error whose `code` is Node's or axios'. */
  readonly answer: Promise<RawAnswer>;
  /** Drops the connection. */
  abort(): void;
  /** Whether nothing of it was written; `undefined`: not known. */
  isUnwritten(): boolean | undefined;
}

/**
 * One HTTP request by undici, below its `request`: without the stream of the
 * body, which costs more than all the rest.
 *
 * A class whose state is let go with the answer, and no closures: those kept
 * V8's collection of young objects from freeing bodies, and a process that read
 * many of them at twice its size.
 */
export class UndiciRequest implements Request, Dispatcher.DispatchHandler {
  readonly answer: Promise<RawAnswer>;
  private resolve!: (answer: RawAnswer) => void;
  private reject!: (error: Error) => void;
  private controller?: Dispatcher.DispatchController;
  private isWritten = false;
  private isAborted = false;
  private status = 0;
  private headers: Record<string, unknown> = {};
  private chunks: Buffer[] = [];

  constructor(dispatcher: Dispatcher, options: Dispatcher.DispatchOptions) {
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    dispatcher.dispatch(options, this);
  }

  abort(): void {
    this.isAborted = true;
    this.controller?.abort(new Error('aborted'));
    this.reject(failure(AxiosError.ERR_CANCELED));
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

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    const { status, headers, chunks } = this;
    const body = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    this.resolve({ status, headers, text: body.toString('utf8') });
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.reject(failure(codeOf(error), error));
  }
}

function failure(code: string, cause?: unknown): Error {
  return Object.assign(new Error('The request failed', { cause }), { code });
}

/** undici's names of what has a name of its own in Node. */
const CODES: Record<string, string> = {
  UND_ERR_SOCKET: 'ECONNRESET',
  UND_ERR_CONNECT_TIMEOUT: 'ETIMEDOUT',
};

function codeOf(error: unknown): string {
  const { code, errors } = error as { code?: unknown; errors?: unknown[] };
  // A name with two addresses, both refused.
  if (typeof code !== 'string' && errors?.length) return codeOf(errors[0]);
  const text = typeof code === 'string' ? code : AxiosError.ERR_NETWORK;
  return CODES[text] ?? text;
}
