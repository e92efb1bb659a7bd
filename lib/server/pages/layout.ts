import { createHash } from 'node:crypto';
import { Html, html } from './html.js';

const STYLE = `
:root { color-scheme: light dark; --accent: #1c5fd4; --line: #8886; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --accent: #8ab4f8; --bad: #f2b8b5; } }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0; padding: 1rem; }
main { max-width: 26rem; margin: 1rem auto; }
h1 { font-size: 1.5rem; line-height: 1.25; }
img { display: block; width: 100%; max-width: 15rem; height: auto; margin: 1rem auto; background: #fff; border-radius: .5rem; }
code { font: 1.05rem/1.6 ui-monospace, monospace; overflow-wrap: anywhere; }
label { display: block; font-weight: 600; }
input, button { font: inherit; width: 100%; padding: .7rem; margin-top: .4rem; border-radius: .5rem; }
input { border: 1px solid var(--line); font-size: 1.25rem; letter-spacing: .15em; background: transparent; color: inherit; }
button { border: 0; margin-top: .9rem; background: var(--accent); color: Canvas; font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
[role=alert] { border-left: 4px solid var(--bad); padding: .5rem .75rem; }
li { margin-bottom: .6rem; }
`;

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** A whole page. */
export function layout(title: string, body: Html): string {
  return (
    '<!doctype html>' +
    html`<html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        ${new Html(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <main>${body}</main>
      </body>
    </html>`.text
  );
}

/**
 * Headers of every page.
 *
 * @param frameAncestors who may frame it
 * @param formTargets where its form may lead, besides the page itself
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
      `style-src 'sha256-${STYLE_HASH}'`,
      'img-src data:',
      // A redirect after the form counts as one of its targets.
      `form-action ${["'self'", ...formTargets].join(' ')}`,
      `frame-ancestors ${frameAncestors.join(' ') || "'none'"}`,
      "base-uri 'none'",
    ].join('; '),
  };
}
