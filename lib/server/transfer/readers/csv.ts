import type { Entry, ExchangeUser } from '../exchange.js';
import { type Input, readLines } from '../input.js';
import { loadPackage } from '../../settings/load-package.js';
import { StartError } from '../../settings/start-error.js';

/** Columns of a CSV file, all but the first optional, in any order. */
export const CSV_COLUMNS = [
  'unique_id',
  'display_name',
  'email',
  'sms_number',
  'voice_number',
  'meta',
  'secret',
  'algorithm',
  'digits',
  'period',
  'enrolled',
  'recovery_codes',
] as const;

/** A row by the names of its columns, or why it is none. */
export type Row =
  | { line: number; row: Record<string, string>; problem?: undefined }
  | { line: number; row?: undefined; problem: string };

/**
 * The rows of a CSV file [RFC 4180] whose first row names the columns. A row is one
 * line: otherwise a quote that is missing would swallow the rows after it.
 *
 * @param columns the names of the columns of a file that has no such row; the last ones may be missing
 * @param checkNames called with the names in the first row; may throw
 * @throws StartError if the file is empty, or its first row is not CSV
 */
export async function* readRows(
  input: Input,
  columns?: readonly string[],
  checkNames?: (names: readonly string[]) => void,
): AsyncGenerator<Row, void> {
  const { parse } = await loadPackage(
    () => import('csv-parse/sync'),
    'csv-parse@7',
    'CSV',
  );
  const cellsOf = (text: string | undefined): string[] | undefined => {
    try {
      const options = { bom: true, trim: true };
      const rows = parse(text ?? '', options);
      return rows.length === 1 ? rows[0] : undefined;
    } catch {
      // The message would show a part of the row.
      return undefined;
    }
  };
  let names = columns;
  for await (const { line, text } of readLines(input)) {
    const cells = cellsOf(text);
    if (!names) {
      if (!cells) throw new StartError('The first row of the file is not CSV');
      names = cells.map((name) => name.toLowerCase());
      checkNames?.(names);
    } else if (!cells)
      yield {
        line,
        problem:
          text === undefined
            ? 'is not UTF-8, or longer than a megabyte'
            : 'is not CSV in one line: a quote may be missing',
      };
    else if (
      cells.length > names.length ||
      (cells.length < names.length && !columns)
    )
      yield {
        line,
        problem: 'has another number of columns than the first row',
      };
    else {
      const own = names;
      const row = Object.fromEntries(
        cells.map((cell, i): [string, string] => [own[i]!, cell]),
      );
      yield { line, row };
    }
  }
  if (!names) throw new StartError('The CSV file is empty');
}

/** The documented columns. @throws StartError if there is no column `unique_id`, or one that is not known */
export async function* readCsv(input: Input): AsyncGenerator<Entry, void> {
  const rows = readRows(input, undefined, checkColumns);
  for await (const { line, row, problem } of rows)
    yield row ? { line, user: userOf(row) } : { line, problem };
}

function checkColumns(names: readonly string[]): void {
  if (!names.includes('unique_id'))
    throw new StartError(
      'The first row of the CSV file must name its columns, separated by commas, and one of them must be unique_id',
    );
  const unknown = names.filter(
    (name) => !(CSV_COLUMNS as readonly string[]).includes(name),
  );
  if (unknown.length > 0)
    throw new StartError(
      `Column ${names.indexOf(unknown[0]!) + 1} of the CSV file is none of ${CSV_COLUMNS.join(', ')}`,
    );
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new StartError(`The CSV file has the column ${twice} twice`);
}

function userOf({
  secret,
  algorithm,
  digits,
  period,
  recovery_codes: codes,
  ...details
}: Record<string, string>): ExchangeUser {
  return {
    ...details,
    factors: secret
      ? [{ secret, algorithm, digits: digits || null, period: period || null }]
      : [],
    recovery_codes: codes?.split(/[\s,;]+/).filter(Boolean),
  };
}
