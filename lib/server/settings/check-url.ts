import { isString, shown } from './option-type.js';
import { StartError } from './start-error.js';

/**
 * Parses an http or https URL.
 *
 * @param name starts the error: "Option publicUrl"
 * @throws StartError if it is another kind of URL, or holds a password or a fragment
 */
export function checkUrl(
  value: unknown,
  name: string,
  mayHaveQuery = true,
): URL {
  const url =
    isString(value) && URL.canParse(value) ? new URL(value) : undefined;
  if (url?.username || url?.password)
    throw new StartError(`${name} must not hold a user name or password`);
  if (!url || !/^https?:$/.test(url.protocol))
    throw new StartError(
      `${name} must be an http or https URL, but is ${shown(value)}`,
    );
  // Others would end a directive of the Content-Security-Policy.
  if (!/^([\w.-]+|\[[\da-f:.]+\])$/.test(url.hostname))
    throw new StartError(
      `${name} must have a host name or an IP address, but is ${shown(value)}`,
    );
  if (url.hash || (!mayHaveQuery && url.search))
    throw new StartError(
      `${name} must have no ${mayHaveQuery ? '' : 'query or '}fragment, but is ${shown(value)}`,
    );
  return url;
}
