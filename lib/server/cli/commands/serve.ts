import { Command } from 'commander';
import type { CommandTools } from '../command-tools.js';

/**
 * `serve`: the server, until a signal ends it.
 *
 * @param onServing called once it serves
 */
export function serveCommand(
  tools: CommandTools,
  onServing: () => void,
): Command {
  return new Command('serve')
    .description('serve the API and the pages (the default)')
    .action(async () => {
      // Every package is loaded there, so that an error can name a missing one.
      const { serve } = await import('../serve.js');
      await serve(tools.env);
      onServing();
    });
}
