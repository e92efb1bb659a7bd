import type { INestApplicationContext } from '@nestjs/common';
import type { DatabaseUse } from '../settings/database-use.js';
import type { Environment } from '../settings/environment-values.js';
import type { Origin } from '../audit/audit-event.js';

/** What every command has at hand. */
export interface CommandTools {
  env: Environment;
  /** Whether `--json` was given. */
  readonly isJson: boolean;
  /** A line of the result, on the standard output. */
  print(line: string): void;
  /** The result: the lines for a person, or with `--json` the data. */
  result(data: unknown, lines: readonly string[]): void;
  /** What was done meanwhile, on the standard error output; nothing with `--json`. */
  step(line: string): void;
  /** How far it is, on the standard error output, not more often than people read it; nothing with `--json`. */
  progress(line: string): void;
  /** A line beside the result, on the standard error output. */
  note(line: string): void;
  /** The same, with the name of the program before it. */
  warn(line: string): void;
  /**
   * Gives the work the server of this environment, without HTTP, and closes it after.
   *
   * @param use what it may do to the database. @default 'use'
   */
  withServer<Result>(
    work: (server: INestApplicationContext) => Promise<Result>,
    use?: DatabaseUse,
  ): Promise<Result>;
}

/** Who acts, in the audit log. */
export const CLI_ORIGIN: Origin = {
  actor: 'cli',
  source: null,
  requestId: null,
};

/** ISO 8601, UTC; `null` if there is no time. */
export const shownTime = (ms: number | null): string | null =>
  ms === null ? null : new Date(ms).toISOString();
