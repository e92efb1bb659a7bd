/**
 * Runs commands of the built program, one after another, in this process: each as
 * if it were started anew, but for the modules that are loaded already. Loading them
 * takes seconds of a core, a command a tenth of one. See `commands.ts`.
 */
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';

const { pathname, href } = pathToFileURL(process.argv[2]);
const end = process.exit;
process.on('disconnect', () => end(0));

let started = 0;
process.on('message', ({ args, cwd, env, input }) => {
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'])
    process[name].write = (text, ...rest) => {
      printed[name] += text;
      rest.at(-1)?.();
      return true;
    };
  // Those of the commands before.
  for (const stream of [process.stdout, process.stderr])
    stream.removeAllListeners('error');
  Object.defineProperty(process, 'stdin', {
    value: Readable.from([Buffer.from(input)]),
    configurable: true,
  });
  process.chdir(cwd);
  process.env = env;
  process.argv = [process.execPath, pathname, ...args];
  process.exitCode = undefined;
  // The last thing that the program does.
  process.exit = (code) => {
    process.send({
      output: printed.stdout,
      errors: printed.stderr,
      code,
    });
  };
  // Another address is another module: what it imports is loaded once.
  void import(`${href}?${++started}`);
});
