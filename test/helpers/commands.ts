import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** The program, as it is built. */
export const PROGRAM = resolve('dist/server/cli/main.js');

/** How a command ended. */
export interface Ended {
  /** What it printed to the standard output. */
  output: string;
  errors: string;
  code: number | null;
}

/** Runs commands of the built program without starting Node for each. Not for `serve`, signals and pipes. */
export class Commands {
  private readonly process: ChildProcess;

  constructor() {
    if (!existsSync(PROGRAM)) throw new Error('Run `npm run build` first');
    this.process = fork(resolve('test/helpers/commands-process.mjs'), [
      PROGRAM,
    ]);
  }

  /** Runs a command, in `cwd`, with these variables alone. */
  async run(
    args: readonly string[],
    { cwd, env = {}, input = '' }: RunOptions,
  ): Promise<Ended> {
    const ended = once(this.process, 'message');
    this.process.send({ args, cwd, env, input });
    return (await ended)[0] as Ended;
  }

  async close(): Promise<void> {
    const exited = once(this.process, 'exit');
    this.process.disconnect();
    await exited;
  }
}

interface RunOptions {
  cwd: string;
  env?: Record<string, string> | undefined;
  /** What it finds at its standard input. */
  input?: string | undefined;
}
