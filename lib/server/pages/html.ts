/** HTML that is safe to send; made with {@link html}. */
export class Html {
  constructor(readonly text: string) {}
}

type Value = string | number | Html | false | undefined | readonly Html[];

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function render(value: Value): string {
  if (value === false || value === undefined) return '';
  if (value instanceof Html) return value.text;
  if (typeof value === 'object') return value.map(render).join('');
  return String(value).replace(/[&<>"']/g, (char) => ENTITIES[char]!);
}

/** Template tag that escapes its values; `false` and `undefined` become nothing. */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  return new Html(
    parts.reduce((text, part, i) => text + render(values[i - 1]) + part),
  );
}
