import { Command } from 'commander';
import {
  optionsFromEnvironment,
  unknownVariables,
} from '../../settings/environment.js';
import type { Database } from '../../store/database.js';
import { StartError } from '../../settings/start-error.js';
import type { CommandTools } from '../command-tools.js';
import { loadKeyProvider } from '../load-key-provider.js';

/** `check-config`: everything that a start checks, without serving. */
export function checkConfigCommand(tools: CommandTools): Command {
  return new Command('check-config')
    .description(
      'read the environment, open the database with its keys, log in at the mail server; say what would be used',
    )
    .action(async () => {
      const warnings = unknownVariables(tools.env);
      for (const sentence of warnings) tools.warn(sentence);
      const { host, port, ...options } = optionsFromEnvironment(
        tools.env,
        await loadKeyProvider(tools.env),
      );
      const { smtp } = options;
      const { database, realms } = await tools.withServer(async (server) => {
        const { DATABASE } = await import('../../store/database.js');
        const { ApiKeysService } =
          await import('../../realms/api-keys.service.js');
        const { description } = server.get<Database>(DATABASE);
        return {
          database: description,
          realms: await server.get(ApiKeysService).realms(),
        };
      });
      if (smtp) {
        const { SmtpSender } = await import('../../delivery/smtp-sender.js');
        await new SmtpSender(smtp).verify().catch((error: Error) => {
          throw new StartError(
            `SMTP_URL: the mail server could not be logged in at: ${error.message}`,
            { cause: error },
          );
        });
      }
      const { describeSenders } =
        await import('../../delivery/create-senders.js');
      const senders = describeSenders(options);
      tools.result(
        { listens: `${host}:${port}`, database, realms, senders, warnings },
        [
          `It would listen on ${host}:${port}`,
          `Database ${database}`,
          realms.length > 0
            ? `API keys of realm ${realms.join(', ')}`
            : 'No API key: the first start makes one',
          `E-mail by ${senders.email}, SMS by ${senders.sms}, voice by ${senders.voice}`,
        ],
      );
    });
}
