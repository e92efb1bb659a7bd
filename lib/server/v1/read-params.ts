import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { ParameterError } from '../../contract/errors/parameter.error.js';
import { queryOf, type RawParams, type RawRequest } from './raw-request.js';

const invalidBody = (message: string) =>
  new ParameterError(message, { errorCode: 'invalid_body' });

/**
 * Reads the parameters of a request as the published clients send them: query
 * string, form, JSON, or the same in two of those; the body wins [contract].
 *
 * @param legacyRoutes whether clients of version 1.2 are answered
 * @throws ParameterError if the body is too large, or not of the type that its header says
 */
export async function readParams(
  request: RawRequest,
  maxBodyBytes: number,
  legacyRoutes = false,
): Promise<RawParams> {
  const isUpdate = request.method === 'PUT';
  const query = fromUrlEncoded(queryOf(request), 'query', isUpdate);
  // Some clients send a body with GET and DELETE: it is ignored.
  const mayHaveBody = request.method === 'POST' || request.method === 'PUT';
  if (!mayHaveBody || request.gauthifyHasNoBody) return query;
  const bytes = await readBytes(request, maxBodyBytes);
  if (!isUtf8(bytes)) throw invalidBody('The body must be UTF-8');
  const body = bytes.toString().replace(/^\uFEFF/, '');
  // The PHP client of version 1.2 sends forms, and says that they are JSON.
  const isMislabelled = legacyRoutes && /^[\w.%+*-]+=/.test(body);
  const contentType = isMislabelled
    ? undefined
    : request.headers['content-type'];
  const given = parseBody(body, contentType, isUpdate);
  // In a call of version 1.2 the path names the user. Its parts are in the query by
  // now, and win over the body.
  return request.gauthifyIsLegacy
    ? { ...given, ...query }
    : { ...query, ...given };
}

/** By events: an asynchronous iterator takes as long as all the rest of a request. */
function readBytes(
  request: IncomingMessage,
  maxBytes: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length <= maxBytes) chunks.push(chunk);
      else chunks.length = 0;
      // Past the limit, read to the end and discard: a client that is still writing
      // when we answer would see a broken connection instead of the answer.
      if (length > 16 * maxBytes + 1024 * 1024) request.destroy();
    });
    request.on('end', () => {
      if (length <= maxBytes) resolve(Buffer.concat(chunks));
      else reject(invalidBody(`The body must be at most ${maxBytes} bytes`));
    });
    request.on('error', reject);
    request.on('close', () => {
      if (!request.complete) reject(new Error('The request was aborted'));
    });
  });
}

function parseBody(
  body: string,
  contentType: string | undefined,
  isUpdate: boolean,
): RawParams {
  if (body.trim() === '') return {};
  if (/json/i.test(contentType ?? '')) return fromJson(body);
  if (/x-www-form-urlencoded/i.test(contentType ?? ''))
    return fromUrlEncoded(body, 'body', isUpdate);
  // Clients that omit the header send one of the two.
  return /^\s*\{/.test(body)
    ? fromJson(body)
    : fromUrlEncoded(body, 'body', isUpdate);
}

function fromJson(body: string): RawParams {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw invalidBody('The body is not valid JSON');
  }
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw invalidBody('The JSON body must be an object');
  const params: RawParams = Object.create(null) as RawParams;
  for (const [name, member] of Object.entries(value)) {
    const isNested = typeof member === 'object' && member !== null;
    // Only `meta` may be nested. The validator refuses any other object; it is
    // not serialized here, because it may be thousands of levels deep.
    if (!isNested) params[name] = member;
    else params[name] = name === 'meta' ? toJson(member as object) : {};
  }
  return params;
}

function toJson(value: object): string {
  try {
    return JSON.stringify(value);
  } catch {
    throw invalidBody('The JSON body is nested too deeply');
  }
}

/**
 * @param isUpdate whether an empty value means "unchanged": the Java client sends
 *   every field that is not set as empty [contract]. JSON clears with `null` or `""`.
 */
function fromUrlEncoded(
  text: string,
  source: string,
  isUpdate: boolean,
): RawParams {
  const params: RawParams = Object.create(null) as RawParams;
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const rawName = equals < 0 ? pair : pair.slice(0, equals);
    const name = decodeFormText(rawName);
    if (name === undefined)
      throw new ParameterError(
        `A name in the ${source} must be percent-encoded UTF-8`,
      );
    const value = equals < 0 ? '' : decodeFormText(pair.slice(equals + 1));
    if (value === undefined) throw notUtf8(name.slice(0, 64));
    if (name in params)
      throw invalidBody(
        `The ${source} gives ${JSON.stringify(name.slice(0, 64))} twice`,
      );
    if (value !== '' || !isUpdate) params[name] = value;
  }
  return params;
}

/** Not `URLSearchParams`: it decodes what is not UTF-8 to U+FFFD, so that `J%FCrgen` and `J%E4rgen` would be the same. */
function decodeFormText(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** The error for a parameter that is not UTF-8, or has a `%` that starts no escape. */
export function notUtf8(name: string): ParameterError {
  return new ParameterError(
    `${name} must be percent-encoded UTF-8 (a "%" itself is "%25")`,
  );
}
