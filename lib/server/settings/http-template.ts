/**
 * How a value is written into a body of this content type, so that it cannot be
 * anything but a value there; `undefined` if the type is unknown.
 */
export function escapeFor(
  contentType: string,
): ((text: string) => string) | undefined {
  if (/\bjson\b/i.test(contentType))
    return (text) => JSON.stringify(text).slice(1, -1);
  if (/x-www-form-urlencoded/i.test(contentType)) return encodeURIComponent;
  if (/\bxml\b/i.test(contentType))
    return (text) =>
      text.replace(/[<>&"']/g, (char) => `&#${char.charCodeAt(0)};`);
  if (/^text\/plain\b/i.test(contentType)) return (text) => text;
  return undefined;
}
