import type { ExecutionContext } from '@nestjs/common';
import type { MfaVerification, RequireMfaOptions } from './mfa.options.js';

/** What `MfaGuard` reads of a request, in any transport. */
export interface MfaRequest {
  headers: Record<string, unknown>;
  /** Set by what signs people in. */
  user?: { id?: unknown; sub?: unknown } | null;
}

/** Where the request and the response of a handler are. */
export interface MfaContext {
  /** Decides the exception of a denial: `WsException` for `ws`, `RpcException` for `rpc`, else `HttpException`. */
  transport: string;
  request: MfaRequest;
  /** HTTP's, to set headers; GraphQL's where its context has one. */
  response?: unknown;
  /** What a verification is stored for: the request, the socket, or an operation of a GraphQL request. */
  subject: object;
  /** What brought the code, where that is not `subject`: the request of GraphQL operations. @default `subject` */
  carrier?: object | undefined;
}

/**
 * What a user asks to be let in with: who, under which policy, and what the
 * request brings. The functions are called only where their value is needed.
 */
export interface SecondFactorAttempt extends Pick<
  MfaContext,
  'subject' | 'carrier'
> {
  userId: string;
  policy: RequireMfaOptions;
  /** Whether `subject` outlives the request, as a socket does: its verification may be revoked meanwhile. */
  isLongLived: boolean;
  /** Passed to `mfa.required`. */
  execution?: ExecutionContext | undefined;
  code(): unknown;
  proofs(): readonly string[];
  /** What proofs are bound to besides the user. */
  binding(): string | undefined;
  check(
    code: string,
    binding: string | undefined,
  ): Promise<MfaVerification | null>;
}

/** An attempt, and where the response goes. */
export type MfaAttempt = SecondFactorAttempt & MfaContext;

type Loose = Record<string, any>;

/** Where verifications are stored: a WeakMap with an entry for each request costs the garbage collector more than the guard. */
const VERIFICATION = Symbol('gauthify.verification');
/** Contexts of guards that override `getContext()`, for `@Mfa()`. */
const contexts = new WeakMap<object, MfaContext>();
/** Upgrade requests of sockets that do not hold theirs themselves (`ws`). */
const handshakes = new WeakMap<object, MfaRequest>();

/** Stores the upgrade request of a socket, for guards on its messages. */
export function setHandshake(client: object, request: MfaRequest): void {
  handshakes.set(client, request);
}

export function setVerification(subject: object, mfa: MfaVerification): void {
  // Not enumerable: a copy of the request must not be let in by it.
  Object.defineProperty(subject, VERIFICATION, {
    value: mfa,
    configurable: true,
  });
}

export function getVerification(subject: object): MfaVerification | undefined {
  if (!Object.hasOwn(subject, VERIFICATION)) return undefined;
  return (subject as { [VERIFICATION]: MfaVerification })[VERIFICATION];
}

/** Stores the context that a guard read, for the handler's `@Mfa()`. */
export function setContext(
  execution: ExecutionContext,
  context: MfaContext,
): void {
  contexts.set(keyOf(execution), context);
}

/** The verification a handler was let in with. */
export function verificationOf(
  execution: ExecutionContext,
): MfaVerification | undefined {
  const context = contexts.get(keyOf(execution)) ?? readContext(execution);
  return context && getVerification(context.subject);
}

/** An object that the guards and the parameter decorators of one call of a handler have in common. */
function keyOf(execution: ExecutionContext): object {
  const [first, second, third, fourth] =
    execution.getArgs<[object, unknown, object, object?]>();
  switch (execution.getType<string>()) {
    case 'graphql':
      return fourth ?? third;
    case 'ws':
    case 'rpc':
      // The message of a socket, the context of a message.
      return typeof second === 'object' && second !== null ? second : first;
    default:
      return first;
  }
}

/** Request and response in the transports of Nest; `undefined` in any other. */
export function readContext(
  execution: ExecutionContext,
): MfaContext | undefined {
  const transport = execution.getType<string>();
  switch (transport) {
    case 'http': {
      const [request, response] = execution.getArgs<[MfaRequest, unknown]>();
      return { transport, request, response, subject: request };
    }
    case 'graphql':
      return graphqlContext(
        execution.getArgByIndex<Loose>(2),
        execution.getArgByIndex<GraphqlInfo | undefined>(3),
      );
    case 'ws':
      return socketContext(execution.switchToWs().getClient<Loose>());
    case 'rpc': {
      const rpc = execution.switchToRpc();
      return messageContext(rpc.getData<Loose>(), rpc.getContext<object>());
    }
    default:
      return undefined;
  }
}

/** Part of graphql-js' `GraphQLResolveInfo`. */
interface GraphqlInfo {
  operation: { operation: string };
  variableValues: object;
  path: GraphqlPath;
}

interface GraphqlPath {
  prev?: GraphqlPath | undefined;
  key: string | number;
}

/** Apollo's context has `req` and `res`, the one of Mercurius `reply`; an application's own may have either. */
function graphqlContext(
  graphql: Loose,
  info: GraphqlInfo | undefined,
): MfaContext {
  const request = (graphql.req ??
    graphql.request ??
    graphql.reply?.request) as MfaRequest;
  if (!request?.headers)
    throw new Error(
      'MfaGuard finds no request in the GraphQL context: put it there as req.',
    );
  const response: unknown = graphql.res ?? graphql.reply;
  const subject = info ? operationOf(info) : request;
  return { transport: 'graphql', request, response, subject, carrier: request };
}

const operations = new WeakMap<object, Map<unknown, object>>();

/**
 * Stands for what one code may authorise: a root field of a mutation, or a
 * query or subscription as a whole. Each execution has its own object of
 * variables. Cached documents share the operation, and batched operations the
 * request, so neither of them can be the key.
 */
function operationOf({ operation, variableValues, path }: GraphqlInfo): object {
  let root = path;
  while (root.prev) root = root.prev;
  const key = operation.operation === 'mutation' ? root.key : null;
  let fields = operations.get(variableValues);
  if (!fields)
    operations.set(variableValues, (fields = new Map<unknown, object>()));
  let subject = fields.get(key);
  if (!subject) fields.set(key, (subject = {}));
  return subject;
}

/** Reads the handshake of a socket: its messages have no headers. */
export function socketContext(client: Loose): MfaContext {
  const handshake = (client.handshake ??
    handshakes.get(client) ??
    client.upgradeReq) as Loose | undefined;
  const auth = (handshake?.auth ?? {}) as Loose;
  const request: MfaRequest = {
    ...handshake,
    headers: {
      ...(handshake?.headers as object),
      // Browsers cannot set headers of a WebSocket; socket.io sends `auth` instead.
      ...credentialHeaders(auth.mfaCode, auth.mfaProof),
    },
    user: client.data?.user ?? client.user ?? handshake?.user,
  };
  return { transport: 'ws', request, subject: client };
}

/** `mfa: { code, proof }` of the message stands for the headers, `user` for the user of the request. */
function messageContext(data: Loose, subject: object): MfaContext {
  const { code, proof } = (data?.mfa ?? {}) as Loose;
  return {
    transport: 'rpc',
    request: {
      ...data,
      headers: credentialHeaders(code, proof),
      user: data?.user as MfaRequest['user'],
    },
    subject,
  };
}

const credentialHeaders = (code: unknown, proof: unknown) => ({
  ...(code === undefined ? {} : { 'x-mfa-code': code }),
  ...(proof === undefined ? {} : { 'x-mfa-proof': proof }),
});

/** A user's id: a number is converted to a string; `undefined` for anything else that is not a string. */
export function userIdOf(value: unknown): string | undefined {
  if (Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}
