import { type Html, html } from '../pages/html.js';
import { layout } from '../pages/layout.js';
import type { OpenApiDocument, OpenApiOperation } from './document.js';
import type { Schema } from './request-schema.js';

/** The document as a page. */
export function openApiView({ info, servers, paths }: OpenApiDocument): string {
  const base = servers[0]!.url.replace(/\/$/, '');
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      id: `${method}-${path.replace(/[^a-z]+/gi, '-')}`,
      title: `${method.toUpperCase()} ${base}${path}`,
      operation,
    })),
  );
  return layout(
    info.title,
    html`<h1>${info.title} ${info.version}</h1>
      <p>${info.description}</p>
      <p>
        An API key goes into HTTP Basic as the password, with an empty user
        name; alone into the header <code>Authorization</code>; or into the
        query parameter <code>api_key</code>.
      </p>
      <p>
        <a href="${base}/openapi.json">The same as an OpenAPI 3.1 document</a>
      </p>
      <dl>
        ${operations.map(
          ({ id, title, operation }) =>
            html`<dt>
                <a href="#${id}"><code>${title}</code></a>
              </dt>
              <dd>${operation.summary}</dd>`,
        )}
      </dl>
      ${operations.map(operationView)}`,
    { wide: true },
  );
}

function operationView({
  id,
  title,
  operation,
}: {
  id: string;
  title: string;
  operation: OpenApiOperation;
}): Html {
  const { summary, security, parameters, requestBody, responses } = operation;
  const all = [...parameters.map(rowOf), ...bodyRowsOf(requestBody)];
  return html`<section id="${id}">
    <h2><code>${title}</code></h2>
    <p>${summary}. ${security.length === 0 && 'No API key.'}</p>
    ${
      all.length > 0 &&
      html`<h3>Parameters</h3>
        <dl>${all}</dl>`
    }
    <h3>Answers</h3>
    <dl>
      ${Object.entries(responses).map(
        ([status, { description }]) =>
          html`<dt>${status}</dt>
            ${description.split('\n\n').map((line) => html`<dd>${line}</dd>`)}`,
      )}
    </dl>
  </section>`;
}

function bodyRowsOf(body: OpenApiOperation['requestBody']): Html[] {
  const { properties, required } = (Object.values(body?.content ?? {})[0]
    ?.schema ?? {}) as {
    properties?: Record<string, Schema>;
    required?: string[];
  };
  return Object.entries(properties ?? {}).map(([name, schema]) =>
    rowOf({
      name,
      schema,
      description: schema.description,
      required: required!.includes(name),
    }),
  );
}

function rowOf({
  name,
  schema,
  required,
  description,
  in: place,
}: Schema): Html {
  const where = place === 'header' ? ', header' : '';
  return html`<dt>
      <code>${name as string}</code> ${typeOf(schema as Schema)}${where}${
        required !== true && ', optional'
      }
    </dt>
    <dd>${description as string}</dd>`;
}

function typeOf({ type, enum: values }: Schema): string {
  const names = (values as unknown[] | undefined) ?? [type].flat();
  return names.map(String).join(' or ');
}
