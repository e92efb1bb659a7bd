import type { ExecutionContext } from '@nestjs/common';
import type { MfaVerification } from './mfa.options.js';

/** What `MfaGuard` reads of a request, whatever carries it. */
export interface MfaRequest {
  headers: Record<string, unknown>;
  /** Put there by whatever signs people in. */
  user?: { id?: unknown; sub?: unknown } | null;
}

/** A request, and the response to set headers of, where there is one. */
export interface MfaExchange {
  request: MfaRequest;
  /** HTTP's; GraphQL's where its context has one. */
  response?: unknown;
  /** What the verification is remembered by: the request, the connection, or an operation of a GraphQL request. */
  subject: object;
  /** What brought the code, where that is not `subject`: the request of GraphQL operations. */
  carrier?: object | undefined;
}

type Loose = Record<string, any>;

/** Verifications by subject, and gone with it. */
const verifications = new WeakMap<object, MfaVerification>();

/** Handshakes of sockets that do not carry theirs themselves (`ws`). */
const handshakes = new WeakMap<object, MfaRequest>();

/** Remembers the upgrade request of a socket, for guards on its messages. */
export function rememberHandshake(client: object, request: MfaRequest): void {
  handshakes.set(client, request);
}

export function remember(subject: object, mfa: MfaVerification): void {
  verifications.set(subject, mfa);
}

export function recall(subject: object): MfaVerification | undefined {
  return verifications.get(subject);
}

/** The verification a handler was let in with. */
export function verificationOf(
  context: ExecutionContext,
): MfaVerification | undefined {
  return recall(exchangeOf(context).subject);
}

/**
 * The request of a handler, in any transport of Nest.
 *
 * @throws Error where the context is of none that is known
 */
export function exchangeOf(context: ExecutionContext): MfaExchange {
  switch (context.getType<string>()) {
    case 'http': {
      const http = context.switchToHttp();
      const request = http.getRequest<MfaRequest>();
      return { request, response: http.getResponse(), subject: request };
    }
    case 'graphql':
      return graphqlExchange(
        context.getArgByIndex<Loose>(2),
        context.getArgByIndex<GraphqlInfo | undefined>(3),
      );
    case 'ws':
      return socketExchange(context.switchToWs().getClient<Loose>());
    case 'rpc': {
      const rpc = context.switchToRpc();
      return messageExchange(rpc.getData<Loose>(), rpc.getContext<object>());
    }
    default:
      throw new Error(
        `MfaGuard does not know ${context.getType<string>()}: take it off this handler, or override its getExchange().`,
      );
  }
}

/** Of graphql-js' `GraphQLResolveInfo`. */
interface GraphqlInfo {
  operation: { operation: string };
  variableValues: object;
  path: GraphqlPath;
}

interface GraphqlPath {
  prev?: GraphqlPath | undefined;
  key: string | number;
}

/** Apollo's context has `req` and `res`, Mercurius' `reply`; an application's own may have either. */
function graphqlExchange(
  context: Loose,
  info: GraphqlInfo | undefined,
): MfaExchange {
  const request = (context.req ??
    context.request ??
    context.reply?.request) as MfaRequest;
  if (!request?.headers)
    throw new Error(
      'MfaGuard finds no request in the GraphQL context: put it there as req.',
    );
  const response = (context.res ?? context.reply) as unknown;
  const subject = info ? operationOf(info) : request;
  return { request, response, subject, carrier: request };
}

const operations = new WeakMap<object, Map<unknown, object>>();

/**
 * Stands for what one code may authorise: a root field of a mutation, or a
 * query or subscription as a whole. Each execution has an object of variables
 * of its own; the operation itself is shared where parsed documents are cached,
 * and the request where operations are batched.
 */
function operationOf({ operation, variableValues, path }: GraphqlInfo): object {
  let root = path;
  while (root.prev) root = root.prev;
  const key = operation.operation === 'mutation' ? root.key : null;
  let fields = operations.get(variableValues);
  if (!fields) {
    fields = new Map();
    operations.set(variableValues, fields);
  }
  let subject = fields.get(key);
  if (!subject) fields.set(key, (subject = {}));
  return subject;
}

/** What a socket was opened with: its guard runs for messages, which have no headers. */
export function socketExchange(client: Loose): MfaExchange {
  const handshake = (client.handshake ??
    handshakes.get(client) ??
    client.upgradeReq) as Loose | undefined;
  const auth = (handshake?.auth ?? {}) as Loose;
  const request: MfaRequest = {
    ...handshake,
    headers: {
      ...(handshake?.headers as object),
      // Browsers cannot set headers of a WebSocket; socket.io has `auth` for that.
      ...(auth.mfaCode === undefined ? {} : { 'x-mfa-code': auth.mfaCode }),
      ...(auth.mfaProof === undefined ? {} : { 'x-mfa-proof': auth.mfaProof }),
    },
    user: client.data?.user ?? client.user ?? handshake?.user,
  };
  return { request, subject: client };
}

/** `mfa: { code, proof }` of the message stands for the headers, `user` for the request's. */
function messageExchange(data: Loose, subject: object): MfaExchange {
  const { code, proof } = (data?.mfa ?? {}) as Loose;
  return {
    request: {
      ...data,
      headers: {
        ...(code === undefined ? {} : { 'x-mfa-code': code }),
        ...(proof === undefined ? {} : { 'x-mfa-proof': proof }),
      },
      user: data?.user as MfaRequest['user'],
    },
    subject,
  };
}
