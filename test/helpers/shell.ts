import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

const END = '--- end of the command';

/** Whether a command is installed. */
export const hasCommand = (name: string): boolean =>
  (process.env.PATH ?? '')
    .split(':')
    .some((folder) => existsSync(join(folder, name)));

/** A terminal: what is exported or started in it stays for the commands that follow. */
export class Shell {
  private readonly bash: ChildProcess;
  private output = '';
  private errors = '';

  constructor(cwd: string, env: NodeJS.ProcessEnv = {}) {
    // Job control, as in a terminal: `kill %1` ends all that a job started.
    this.bash = spawn('bash', ['-m'], {
      cwd,
      env: { ...process.env, ...env },
      stdio: 'pipe',
    });
    this.bash.stdout!.on('data', (text) => (this.output += String(text)));
    this.bash.stderr!.on('data', (text) => (this.errors += String(text)));
  }

  /**
   * Runs commands, and waits for their end, or for a text that one which goes
   * on prints; what was printed meanwhile.
   */
  async run(commands: string, until = END): Promise<string> {
    const from = this.output.length;
    this.bash.stdin!.write(`${commands}\necho\necho '${END}'\n`);
    while (this.output.indexOf(until, from) < 0) {
      if (this.bash.exitCode !== null)
        throw new Error(`The shell ended: ${this.output}${this.errors}`);
      await Promise.race([
        once(this.bash.stdout!, 'data'),
        once(this.bash, 'exit'),
      ]);
    }
    return this.output.slice(from).replace(`\n${END}\n`, '');
  }

  /** Ends it, and the jobs that it started. */
  async close(): Promise<void> {
    this.bash.stdin!.end('kill %1; wait\n');
    if (this.bash.exitCode === null) await once(this.bash, 'exit');
  }
}
