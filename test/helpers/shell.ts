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
  private readonly closed: Promise<unknown[]>;
  private output = '';
  private errors = '';

  constructor(cwd: string, env: NodeJS.ProcessEnv = {}) {
    this.bash = spawn('bash', [], {
      cwd,
      env: { ...process.env, ...env },
      stdio: 'pipe',
      // A process group, by which all that was started in it is ended.
      detached: true,
    });
    this.closed = once(this.bash, 'close');
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
      const [ended] = await Promise.race([
        once(this.bash.stdout!, 'data'),
        this.closed,
      ]);
      if (typeof ended === 'number')
        throw new Error(`The shell ended: ${this.output}${this.errors}`);
    }
    return this.output.slice(from).replace(`\n${END}\n`, '');
  }

  /** Ends it, and all that was started in it. */
  async close(): Promise<void> {
    process.kill(-this.bash.pid!, 'SIGTERM');
    await this.closed;
  }
}
