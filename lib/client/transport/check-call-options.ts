import { ParameterError } from '../../contract/errors/parameter.error.js';
import type { CallOptions } from '../client.options.js';
import { problemOfMs } from '../client.options.js';

/** Checks the options of a call. @throws ParameterError naming the first wrong one */
export function checkCallOptions(
  options: CallOptions | null = {},
): CallOptions {
  for (const name of ['timeoutMs', 'totalTimeoutMs'] as const) {
    const problem = problemOfMs(options?.[name]);
    if (problem) throw new ParameterError(`${name} ${problem}`);
  }
  return options ?? {};
}
