import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { text } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { StartError } from '../settings/start-error.js';

/** Where a secret comes from. Never from an argument: every user of the machine can see those. */
export interface SecretSource {
  /** what it is, as in "the passphrase" */
  name: string;
  /** a file, `-` for stdin; the option that named it is `option` */
  file: string | undefined;
  option: string;
  /** the value of an environment variable */
  value?: string | undefined;
  variable: string;
  /** asks a second time, so that a slip does not make a file that nobody can open */
  isNew?: boolean;
}

/** Reads a secret from a file, a variable, or a person at a terminal, who does not see it. @throws StartError */
export async function readSecret(source: SecretSource): Promise<string> {
  const { file, value, name } = source;
  const secret = (
    file === undefined ? value || (await ask(source)) : await readFrom(file)
  ).replace(/\r?\n$/, '');
  if (secret === '') throw new StartError(`${name} is empty`);
  return secret;
}

/** The text of a file, `-` for stdin. @throws StartError */
export async function readFrom(file: string): Promise<string> {
  if (file === '-') return await text(process.stdin);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StartError(`${file} cannot be read (${code})`, { cause: error });
  }
}

async function ask(source: SecretSource): Promise<string> {
  if (!process.stdin.isTTY)
    throw new StartError(
      `${source.name} is missing: give ${source.option} <file>, or set ${source.variable}`,
    );
  const secret = await prompt(`${source.name}: `);
  if (source.isNew && (await prompt(`${source.name}, once more: `)) !== secret)
    throw new StartError('The two are different: nothing was done');
  return secret;
}

async function prompt(question: string): Promise<string> {
  process.stderr.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({
    input: process.stdin,
    output: nowhere,
    terminal: true,
  });
  try {
    return await terminal.question('');
  } catch (error) {
    // Ctrl-C, which readline takes from the terminal.
    if ((error as Error).name === 'AbortError')
      process.kill(process.pid, 'SIGINT');
    throw error;
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}
