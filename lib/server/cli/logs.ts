import {
  ConsoleLogger,
  type LoggerService,
  type LogLevel,
} from '@nestjs/common';
import type { Logger as Pino } from 'pino';
import type { RequestReport } from '../settings/observability-options.js';
import {
  LOG_LEVELS,
  type ProgramOptions,
} from '../settings/program-environment.js';
import { loadPackage } from '../settings/load-package.js';

/** What the program writes while it runs. */
export interface Logs {
  /** For Nest, and all that logs through it. */
  logger: LoggerService;
  /** One line for each request; `undefined` unless the level is `info` or `debug`. */
  onRequest: ((report: RequestReport) => void) | undefined;
  /** A line of the start. */
  print: (line: string) => void;
}

/**
 * Logs as text, or as JSON lines on the standard output. Nothing has to be
 * redacted: what is logged holds no parameter, no path and no header.
 *
 * @param stdout where JSON lines go
 * @throws StartError if JSON is asked for without the package `pino`
 */
export async function createLogs(
  { format, level }: ProgramOptions['log'],
  stdout: { write(line: string): unknown } = process.stdout,
): Promise<Logs> {
  const isInfo = LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf('info');
  if (format === 'text') return textLogs(level, isInfo);
  const { pino } = await loadPackage(
    () => import('pino'),
    'pino',
    'LOG_FORMAT=json',
  );
  const json = pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stdout,
  );
  const start = json.child({}, { level: 'info' });
  return {
    logger: new JsonLogger(json),
    onRequest: isInfo
      ? (report) => json.info(fieldsOf(report), 'request')
      : undefined,
    print: (line) => start.info(line),
  };
}

function textLogs(
  level: ProgramOptions['log']['level'],
  isInfo: boolean,
): Logs {
  const logLevels: LogLevel[] = ['fatal', 'error'];
  if (level !== 'error') logLevels.push('warn');
  // Nest's account of its start is of the level that it calls "log".
  if (level === 'debug') logLevels.push('log', 'debug', 'verbose');
  const colors = process.stderr.isTTY === true;
  const requests = new ConsoleLogger('Request', { colors, logLevels: ['log'] });
  return {
    logger: new ConsoleLogger({ logLevels, colors }),
    onRequest: isInfo
      ? ({ method, route, status, durationMs, requestId, realm }) =>
          requests.log(
            `${method} ${route} ${status} ${durationMs.toFixed(1)} ms request_id ${requestId ?? '-'} realm ${realm ?? '-'}`,
          )
      : undefined,
    print: (line) => process.stdout.write(`${line}\n`),
  };
}

/** Nest's logger interface, on pino. */
class JsonLogger implements LoggerService {
  constructor(private readonly json: Pino) {}

  fatal(...entry: unknown[]): void {
    this.json.fatal(...partsOf(entry));
  }
  error(...entry: unknown[]): void {
    this.json.error(...partsOf(entry));
  }
  warn(...entry: unknown[]): void {
    this.json.warn(...partsOf(entry));
  }
  /** Nest's account of its start. */
  log(...entry: unknown[]): void {
    this.json.debug(...partsOf(entry));
  }
  debug(...entry: unknown[]): void {
    this.json.debug(...partsOf(entry));
  }
  verbose(...entry: unknown[]): void {
    this.json.trace(...partsOf(entry));
  }
}

/** Nest gives the message, perhaps a stack, and last the context. */
function partsOf([message, ...rest]: unknown[]): [object, string] {
  const context = rest.pop();
  const [stack] = rest;
  const text = typeof message === 'string' ? message : JSON.stringify(message);
  const request_id = /^request_id ([0-9a-f]{32}): /.exec(text)?.[1];
  return [
    {
      ...(typeof context === 'string' && { context }),
      ...(typeof stack === 'string' && { stack }),
      ...(request_id && { request_id }),
    },
    text,
  ];
}

/** In the spelling of the envelope. */
function fieldsOf(report: RequestReport): object {
  return {
    request_id: report.requestId,
    realm: report.realm,
    method: report.method,
    route: report.route,
    status: report.status,
    error_code: report.errorCode,
    duration_ms: Math.round(report.durationMs * 1000) / 1000,
  };
}
