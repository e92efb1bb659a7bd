import type { FromWire } from './wire-name.decorator.js';

/**
 * Ids and codes reach us as JSON numbers from clients of loosely typed
 * languages (`{"auth_code": 123456}`): read them as what they meant.
 */
export const asText: FromWire = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value)
    ? String(value)
    : value;

/** An empty form field means "no value". */
export const asOptionalText: FromWire = (value) =>
  value === '' ? null : asText(value);

/** `true`, `t`, `1` in any case are true [contract]; `false`, `f`, `0` and nothing are not. */
export const asFlag: FromWire = (value) => {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return text;
  if (/^(true|t|1)$/i.test(text)) return true;
  if (/^(false|f|0|)$/i.test(text)) return false;
  return text;
};

/** Whole numbers of a query string. */
export const asInteger: FromWire = (value) =>
  typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;

/** `meta` arrives JSON-encoded in a string [contract]; as an object it stays one. */
export const asMeta: FromWire = (value) => {
  if (value === '') return null;
  if (typeof value !== 'string') return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
};
