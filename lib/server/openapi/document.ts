import type { Type } from '@nestjs/common';
import { ERROR_CODES, type ErrorCode } from '../../contract/error-codes.js';
import { ANSWER_SCHEMAS, envelopeOf, ref } from './answer-schemas.js';
import { type Operation, OPERATIONS } from './operations.js';
import { PARAMETER_TEXTS } from './parameter-texts.js';
import { type Parameter, parametersOf, type Schema } from './request-schema.js';
import { type Route, routesOf } from './routes.js';

/** An OpenAPI 3.1 document, as far as the page reads it. */
export interface OpenApiDocument {
  openapi: string;
  info: { title: string; version: string; description: string };
  servers: { url: string }[];
  paths: Record<string, Record<string, OpenApiOperation>>;
  components: Record<string, unknown>;
}

export interface OpenApiOperation {
  summary: string;
  security: object[];
  parameters: Schema[];
  requestBody?: { content: Record<string, { schema: Schema }> };
  responses: Record<string, { description: string; [key: string]: unknown }>;
}

const DESCRIPTION = `Second factors: users, codes and messages. Paths work with and without a slash at the end. POST and PUT take their parameters as a form, as JSON or in the query. Every answer of a call with an API key is an envelope with a request_id, by which the server logs it.`;

/** Errors of every call with an API key. */
const ALWAYS: readonly ErrorCode[] = [
  'invalid_api_key',
  'invalid_parameter',
  'invalid_request',
  '500',
];
/** Errors of every call that changes something. */
const OF_CHANGES: readonly ErrorCode[] = [
  'invalid_body',
  'idempotency_key_reused',
  'request_in_progress',
  'request_timeout',
];

/**
 * The document, from the controllers and the DTOs of their parameters.
 *
 * @param mountPath `''` or `/gauthify`
 * @throws Error if a route is not in {@link OPERATIONS}
 */
export function openApiDocument(
  controllers: readonly Type[],
  mountPath: string,
): OpenApiDocument {
  const paths: OpenApiDocument['paths'] = {};
  for (const route of controllers.flatMap(routesOf)) {
    const operation = OPERATIONS[`${route.method} ${route.path}`];
    if (!operation)
      throw new Error(
        `OPERATIONS has no ${route.method} ${route.path}: describe the route there`,
      );
    const path = route.isApi ? `${route.path}/` : route.path;
    paths[path] ??= {};
    paths[path][route.method.toLowerCase()] = describe(route, operation);
  }
  return {
    openapi: '3.1.1',
    info: { title: 'GAuthify API', version: 'v1', description: DESCRIPTION },
    servers: [{ url: mountPath || '/' }],
    paths,
    components: {
      schemas: ANSWER_SCHEMAS,
      securitySchemes: {
        basic: {
          type: 'http',
          scheme: 'basic',
          description: 'An empty user name, and the API key as the password.',
        },
        header: {
          type: 'apiKey',
          in: 'header',
          name: 'Authorization',
          description: 'The API key alone, without a scheme.',
        },
        query: { type: 'apiKey', in: 'query', name: 'api_key' },
      },
    },
  };
}

function describe(route: Route, operation: Operation): OpenApiOperation {
  const parameters = route.dto ? parametersOf(route.dto) : [];
  const isChange = route.isApi && route.method !== 'GET';
  const hasBody = route.method === 'POST' || route.method === 'PUT';
  return {
    summary: operation.summary,
    security: route.isApi ? [{ basic: [] }, { header: [] }, { query: [] }] : [],
    parameters: [
      ...pathParametersOf(route.path),
      ...(hasBody ? [] : parameters.map(queryParameterOf)),
      ...(isChange ? [IDEMPOTENCY_KEY] : []),
    ],
    ...(hasBody &&
      parameters.length > 0 && { requestBody: bodyOf(parameters) }),
    responses: {
      ...(route.isApi
        ? { [route.status]: answerOf(operation.answer) }
        : {
            [route.status]: {
              description: 'Success',
              content: operation.answer,
            },
          }),
      ...(route.isApi
        ? errorsOf([
            ...ALWAYS,
            ...(isChange ? OF_CHANGES : []),
            ...(operation.errors ?? []),
          ])
        : statusesOf(operation)),
    },
  };
}

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'The same key and the same request get the first answer again for 10 minutes; nothing is carried out twice.',
  schema: { type: 'string', pattern: '^[ -~]{1,255}$' },
};

const described = (name: string) => ({ description: PARAMETER_TEXTS[name] });

function pathParametersOf(path: string): Schema[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    ...described(name!),
    schema: { type: 'string' },
  }));
}

function queryParameterOf({ name, isRequired, schema }: Parameter): Schema {
  return {
    name,
    in: 'query',
    required: isRequired,
    ...described(name),
    schema,
  };
}

function bodyOf(parameters: readonly Parameter[]) {
  const schema: Schema = {
    type: 'object',
    properties: Object.fromEntries(
      parameters.map(({ name, jsonSchema }) => [
        name,
        { ...jsonSchema, ...described(name) },
      ]),
    ),
    required: parameters
      .filter(({ isRequired }) => isRequired)
      .map(({ name }) => name),
  };
  return {
    content: {
      'application/x-www-form-urlencoded': { schema },
      'application/json': { schema },
    },
  };
}

function answerOf(data: Schema) {
  return {
    description: 'Success',
    headers: {
      'Idempotency-Scope': {
        description:
          'Names the database that keeps answers by Idempotency-Key.',
        schema: { type: 'string' },
      },
    },
    content: { 'application/json': { schema: envelopeOf(data) } },
  };
}

/** One response for each status, with the codes that it can have. */
function errorsOf(codes: readonly ErrorCode[]) {
  const statusOf = (code: ErrorCode) => ERROR_CODES[code].slice(0, 3);
  const statuses = new Set(codes.map(statusOf));
  const grouped = [...statuses].map((status): [string, ErrorCode[]] => [
    status,
    [...new Set(codes)].filter((code) => statusOf(code) === status),
  ]);
  return Object.fromEntries(
    grouped.map(([status, some]) => [
      status,
      {
        description: some
          .map((code) => `${code}: ${ERROR_CODES[code].slice(5)}`)
          .join('\n\n'),
        ...(status === '402' && { headers: RETRY_AFTER }),
        content: {
          'application/json': {
            schema: {
              allOf: [
                ref('Error'),
                { properties: { error_code: { enum: some } } },
              ],
            },
          },
        },
      },
    ]),
  );
}

const RETRY_AFTER = {
  'Retry-After': {
    description: 'Seconds to wait.',
    schema: { type: 'integer', minimum: 1 },
  },
};

function statusesOf({ statuses = {}, answer }: Operation) {
  return Object.fromEntries(
    Object.entries(statuses).map(([status, description]) => [
      status,
      { description, ...(status === '503' && { content: answer }) },
    ]),
  );
}
