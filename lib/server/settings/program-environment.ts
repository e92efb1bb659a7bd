import {
  type Environment,
  parseBoolean,
  parseOneOf,
  parsePort,
  parseSeconds,
} from './environment-values.js';
import type { MetricsOptions } from './observability-options.js';
import { StartError } from './start-error.js';

/** What belongs to the program rather than to the server in it. */
export interface ProgramOptions {
  /** Where it listens. */
  host: string;
  port: number;
  log: { format: LogFormat; level: LogLevel };
  shutdown: ShutdownTimes;
}

export type LogFormat = 'text' | 'json';
export type LogLevel = (typeof LOG_LEVELS)[number];

/** From the least to the most. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;

export interface ShutdownTimes {
  /** How long requests are still accepted after the signal, while `/healthz/ready` answers 503. */
  delayMs: number;
  /** How long requests that were accepted may take after that. */
  timeoutMs: number;
}

/** @throws StartError naming the first wrong variable */
export function programFrom(env: Environment): ProgramOptions {
  return {
    host: env.HOST || '127.0.0.1',
    port: parsePort('PORT', env.PORT || '4000'),
    log: {
      format: parseOneOf(env, 'LOG_FORMAT', ['text', 'json'], 'text'),
      level: parseOneOf(env, 'LOG_LEVEL', LOG_LEVELS, 'warn'),
    },
    shutdown: {
      delayMs: parseSeconds(env, 'SHUTDOWN_DELAY_SECONDS', 0),
      timeoutMs: parseSeconds(env, 'SHUTDOWN_TIMEOUT_SECONDS', 10),
    },
  };
}

/** @throws StartError naming the first wrong variable */
export function metricsFrom(env: Environment): MetricsOptions | undefined {
  const { METRICS_PORT: port, METRICS_HOST: host } = env;
  const realms = parseBoolean(env, 'METRICS_REALMS');
  if (!port) {
    if (!host && !realms) return undefined;
    const name = host ? 'METRICS_HOST' : 'METRICS_REALMS';
    throw new StartError(`${name} is set: set METRICS_PORT as well`);
  }
  return {
    port: parsePort('METRICS_PORT', port),
    host: host || undefined,
    realms,
  };
}
