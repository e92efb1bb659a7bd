import { StartError } from '../settings/start-error.js';

/** The bytes of a file, decrypted. */
export type Input = AsyncIterable<Uint8Array>;

/** Longest line: a user with everything is a tenth of it. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Largest file that is read as a whole. */
const MAX_DOCUMENT_BYTES = 256 * 1024 * 1024;

/** A line of a file; `text` is `undefined` if it is too long or not UTF-8. */
export interface Line {
  line: number;
  text: string | undefined;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The lines of a file that are not empty, one by one. */
export async function* readLines(input: Input): AsyncGenerator<Line, void> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let line = 0;
  const end = (): Line => {
    const bytes = Buffer.concat(parts);
    const isTooLong = length > MAX_LINE_BYTES;
    [parts, length] = [[], 0];
    return { line: ++line, text: isTooLong ? undefined : decode(bytes) };
  };
  const isUsed = ({ text }: Line) => text === undefined || text.trim() !== '';
  for await (const chunk of input) {
    let from = 0;
    for (
      let at = chunk.indexOf(10);
      at >= 0;
      at = chunk.indexOf(10, (from = at + 1))
    ) {
      take(chunk.subarray(from, at));
      const read = end();
      if (isUsed(read)) yield read;
    }
    take(chunk.subarray(from));
  }
  if (length > 0) {
    const read = end();
    if (isUsed(read)) yield read;
  }

  function take(part: Uint8Array): void {
    length += part.length;
    // The rest of a line that is too long is counted, not kept.
    if (length <= MAX_LINE_BYTES) parts.push(part);
    else parts = [];
  }
}

/** A file that is one document. @throws StartError if it is too large or not UTF-8 */
export async function readDocument(input: Input): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of input) {
    length += chunk.length;
    if (length > MAX_DOCUMENT_BYTES)
      throw new StartError(
        `The file is larger than ${MAX_DOCUMENT_BYTES >> 20} MiB, and this format is read as a whole: split it into several files`,
      );
    parts.push(chunk);
  }
  const text = decode(Buffer.concat(parts));
  if (text === undefined) throw new StartError('The file is not text in UTF-8');
  return text;
}

/** A file that is one JSON document. @throws StartError */
export async function readJson(input: Input): Promise<unknown> {
  const json = parseJson(await readDocument(input));
  if (json === undefined) throw new StartError('The file is not JSON');
  return json;
}

/** A JSON value; `undefined` if the text is none. The message of `JSON.parse` would show a part of it. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A text, or a number as one; empty for anything else: `String` may throw for an object of a file. */
export function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number'
    ? String(value)
    : '';
}

/** Whole bytes in hexadecimal. A pattern that counts pairs overflows the stack on a long text. */
export const isHex = (text: string) =>
  text.length > 0 && text.length % 2 === 0 && /^[0-9a-f]+$/.test(text);

function decode(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
