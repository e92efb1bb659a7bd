import { createHash } from 'node:crypto';
import { COPY_SCRIPT } from './copy-script.js';
import { Html, html } from './html.js';
import { STYLE } from './style.js';

/** The icon, inlined: a page makes no other request. */
const ICON = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">' +
    '<rect width="32" height="32" rx="8" fill="#1c5fd4"/>' +
    '<path d="M10 14v-3a6 6 0 0 1 12 0v3" fill="none" stroke="#fff" stroke-width="3"/>' +
    '<rect x="8" y="14" width="16" height="11" rx="2" fill="#fff"/></svg>',
)}`;

/** The source expression by which a Content-Security-Policy allows an inline style or script. */
const hashOf = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

const STYLE_HASH = hashOf(STYLE);
const COPY_SCRIPT_HASH = hashOf(COPY_SCRIPT);

export interface LayoutOptions {
  /** Name of the service, shown above the card. @default none */
  issuer?: string | undefined;
  /** Name of the user, shown beside the issuer. @default none */
  account?: string | undefined;
  /** Whether the page reports a problem: the window title then starts with "Error". @default false */
  problem?: boolean;
  /** Whether the body has a copy button. @default false */
  copyButton?: boolean;
  /** Whether it is for a long text: as wide as lines can be read. @default false */
  wide?: boolean;
}

/** A whole page: a header, and a card with the body. The title appears only as the window title. */
export function layout(
  title: string,
  body: Html,
  { issuer, account, problem, copyButton, wide }: LayoutOptions = {},
): string {
  return (
    '<!doctype html>' +
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>
          ${problem && 'Error: '}${title}${issuer && ` · ${issuer}`}
        </title>
        <link rel="icon" href="${ICON}" />
        ${new Html(`<style>${STYLE}</style>`)}
      </head>
      <body${wide && new Html(' class="wide"')}>
        <header>
          ${issuer !== undefined && html`<p class="brand">${issuer}</p>`}
          ${
            account !== undefined &&
            html`<p class="account">Account: ${account}</p>`
          }
        </header>
        <main>${body}</main>
        ${copyButton && new Html(`<script>${COPY_SCRIPT}</script>`)}
      </body>
    </html>`.text
  );
}

/**
 * Headers of every page.
 *
 * @param frameAncestors origins that may frame the page
 * @param formTargets origins that its form may redirect to, besides its own
 */
export function pageHeaders(
  frameAncestors: readonly string[],
  formTargets: readonly string[] = [],
): Record<string, string> {
  return {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': [
      "default-src 'none'",
      `style-src ${STYLE_HASH}`,
      // Only this script runs, whatever is injected into a page.
      `script-src ${COPY_SCRIPT_HASH}`,
      'img-src data:',
      // A redirect after the form counts as one of its targets.
      `form-action ${["'self'", ...formTargets].join(' ')}`,
      `frame-ancestors ${frameAncestors.join(' ') || "'none'"}`,
      "base-uri 'none'",
    ].join('; '),
  };
}
