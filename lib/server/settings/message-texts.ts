import { isObject, isString, shown } from './option-type.js';
import { refuseUnknown } from './refuse-unknown.js';
import { StartError } from './start-error.js';

/**
 * What a message says in one language. `{code}`, `{issuer}` and `{minutes}` are
 * filled in.
 */
export interface MessageTexts {
  emailSubject: string;
  /** Must contain `{code}`. */
  emailText: string;
  /** Must contain `{code}`. */
  smsText: string;
  /** Must contain `{code}`: it is read out digit by digit, and the text is said twice. */
  voiceText: string;
}

const NEEDS_CODE: Record<keyof MessageTexts, boolean> = {
  emailSubject: false,
  emailText: true,
  smsText: true,
  voiceText: true,
};

const LONGEST = 1000;

/**
 * Checks texts by language.
 *
 * @param name starts the error: "Setting texts"
 * @throws StartError that names the first wrong one
 */
export function checkMessageTexts(
  value: unknown,
  name: string,
): Record<string, Partial<MessageTexts>> {
  if (!isObject(value))
    throw new StartError(
      `${name} must be an object by language, such as { "de": { "smsText": "…" } }, but is ${shown(value)}`,
    );
  for (const [language, texts] of Object.entries(value)) {
    if (!isLanguageTag(language))
      throw new StartError(
        `${name}: ${shown(language)} must be a language as BCP 47 writes it, such as de or pt-BR`,
      );
    if (!isObject(texts))
      throw new StartError(
        `${name}.${language} must be an object of texts, but is ${shown(texts)}`,
      );
    refuseUnknown(texts, Object.keys(NEEDS_CODE), 'texts');
    for (const [key, text] of Object.entries(texts))
      checkText(text, `${name}.${language}.${key}`, key as keyof MessageTexts);
  }
  return value as Record<string, Partial<MessageTexts>>;
}

/** Whether it is the usual form of a tag: `pt-BR`, but not `pt-br` or `pt_BR`. */
function isLanguageTag(text: string): boolean {
  try {
    const [canonical] = Intl.getCanonicalLocales(text);
    return canonical === text && /^[a-z]{2,3}(-|$)/.test(text);
  } catch {
    return false;
  }
}

function checkText(text: unknown, name: string, key: keyof MessageTexts): void {
  if (!isString(text) || text.trim() === '' || text.length > LONGEST)
    throw new StartError(
      `${name} must be a text of 1 to ${LONGEST} characters, but is ${shown(text)}`,
    );
  const unknown = [...text.matchAll(/\{(\w*)\}/g)]
    .map(([, placeholder]) => placeholder)
    .find((one) => !['code', 'issuer', 'minutes'].includes(one!));
  if (unknown !== undefined)
    throw new StartError(
      `${name} has the placeholder {${unknown}}: there are {code}, {issuer} and {minutes}`,
    );
  if (NEEDS_CODE[key] && !text.includes('{code}'))
    throw new StartError(`${name} must contain {code}`);
  if (key === 'emailSubject' && /[\r\n]/.test(text))
    throw new StartError(`${name} must be one line`);
}
