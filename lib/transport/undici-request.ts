import { AxiosError } from 'axios';
import type { Dispatcher } from 'undici';

/** A request under way: what is known of it before it ends. */
export interface Flight {
  /** Whether something of it was, or may have been, written to a connection. */
  isWritten: boolean;
  /** Drops the connection; there before {@link undiciRequest} returns. */
  abort?: () => void;
}

/** An answer as it arrived. */
export interface RawAnswer {
  status: number;
  headers: Record<string, unknown>;
  text: string;
}

/**
 * One HTTP request by undici, below its `request`: without the stream of the
 * body, which costs more than all the rest. Rejects with an error whose `code`
 * is Node's.
 */
export function undiciRequest(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  flight: Flight,
): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let headers: Record<string, unknown> = {};
    let text = '';
    let chunks: Buffer[] | undefined;
    let isAborted = false;
    let drop: (() => void) | undefined;
    flight.abort = () => {
      isAborted = true;
      drop?.();
      reject(failure(AxiosError.ERR_CANCELED));
    };
    dispatcher.dispatch(options, {
      // Called on an open connection (TLS included), before the first byte.
      onRequestStart: (controller) => {
        drop = () => controller.abort(new Error('aborted'));
        if (isAborted) drop();
        else flight.isWritten = true;
      },
      onResponseStart: (_, statusCode, received) => {
        status = statusCode;
        headers = received;
      },
      onResponseData: (_, chunk) => {
        (chunks ??= []).push(chunk);
      },
      onResponseEnd: () => {
        if (chunks)
          text = (
            chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
          ).toString('utf8');
        resolve({ status, headers, text });
      },
      onResponseError: (_, error) => {
        reject(failure(codeOf(error), error));
      },
    });
  });
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
