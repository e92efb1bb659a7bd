import {
  checkTypes,
  isObject,
  oneOf,
  type OptionType,
  TEXT,
} from './option-type.js';
import { refuseUnknown } from './refuse-unknown.js';
import { StartError } from './start-error.js';

/** A registry of `prom-client`, as far as it is used here. */
export interface MetricsRegistry {
  registerMetric(metric: never): void;
  /** All metrics, in Prometheus' text format. */
  metrics(): Promise<string>;
}

/** Prometheus metrics. Either `port` or `registry` is required. */
export interface MetricsOptions {
  /** Port of a listener of its own, which answers `GET /metrics`; `0` is a free one. @default none */
  port?: number | undefined;

  /** Address that the port listens on. @default `127.0.0.1` */
  host?: string | undefined;

  /**
   * The `prom-client` registry of the application, to which the metrics are added;
   * those of Node are then the application's own affair.
   *
   * @default a registry of its own, with the metrics of Node
   */
  registry?: MetricsRegistry | undefined;

  /** Whether the metrics of calls, checks and sends have the label `realm`: each realm multiplies their time series. @default false */
  realms?: boolean | undefined;
}

/** A request that ended. Holds no parameter, no path and nothing else that the caller chose. */
export interface RequestReport {
  /** `request_id` of the answer; `undefined` if the answer has none: pages, images. */
  requestId: string | undefined;
  /** The realm of the API key; `undefined` without a valid one. */
  realm: string | undefined;
  method: string;
  /** `/v1/users/:uniqueId`, with the module's `path`; `unmatched` if there is no such route. */
  route: string;
  /** Status of the answer; `499` if the client closed the connection first. */
  status: number;
  /** `error_code` of the answer; `undefined` if it is no error. */
  errorCode: string | undefined;
  /** From the request's headers to the last byte of the answer, milliseconds. */
  durationMs: number;
}

const TYPES: Record<keyof MetricsOptions, OptionType> = {
  port: {
    matches: (value) =>
      Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 65535,
    description: 'a number from 0 to 65535',
  },
  host: TEXT,
  registry: {
    matches: (value) =>
      isObject(value) && typeof value.registerMetric === 'function',
    description: 'a Registry of prom-client',
  },
  realms: oneOf(false, true),
};

/** @throws StartError naming the first option that is unknown or wrong */
export function checkMetrics(
  options: MetricsOptions,
): Readonly<MetricsOptions> {
  refuseUnknown(options, Object.keys(TYPES), 'metrics');
  checkTypes<MetricsOptions>(options, TYPES, 'metrics.');
  if (options.port === undefined && options.registry === undefined)
    throw new StartError(
      'Option metrics needs a port to listen on, or the registry to which the metrics are added',
    );
  return options;
}
