import { once } from 'node:events';
import { createServer } from 'node:net';
import { Command } from 'commander';
import {
  optionsFromEnvironment,
  unknownVariables,
} from '../../settings/environment.js';
import type { GAuthifyServerOptions } from '../../settings/server.options.js';
import { DatabaseNotReadyError } from '../../settings/database-use.js';
import { StartError } from '../../settings/start-error.js';
import type { Database } from '../../store/database.js';
import type { CommandTools } from '../command-tools.js';
import { loadKeyProvider } from '../load-key-provider.js';

/** `check-config`: everything that a start checks, without serving and without changing anything. */
export function checkConfigCommand(tools: CommandTools): Command {
  return new Command('check-config')
    .description(
      'read the environment, open the database with its keys, log in at the mail server; say what would be used, and change nothing',
    )
    .action(async () => {
      const { host, port, log, ...options } = optionsFromEnvironment(
        tools.env,
        await loadKeyProvider(tools.env),
      );
      await checkHost(host);
      const { createLogs } = await import('../logs.js');
      await createLogs(log);
      if (options.metrics) {
        const { loadPrometheus } =
          await import('../../observability/metrics.js');
        await loadPrometheus();
      }
      const { describeSenders, undelivered } =
        await import('../../delivery/create-senders.js');
      const { database, realms, note } = await databaseOf(options, tools);
      if (options.smtp) await checkSmtp(options.smtp);
      const warnings = [
        ...unknownVariables(tools.env),
        undelivered(options),
        note,
      ].filter((one) => one !== undefined);
      for (const sentence of warnings) tools.warn(sentence);
      const senders = describeSenders(options);
      tools.result(
        { listens: `${host}:${port}`, database, realms, senders, warnings },
        [
          `It would listen on ${host}:${port}`,
          `Database ${database}`,
          ...(realms === undefined
            ? []
            : realms.length > 0
              ? [`API keys of realm ${realms.join(', ')}`]
              : ['No API key: the first start makes one']),
          `E-mail by ${senders.email}, SMS by ${senders.sms}, voice by ${senders.voice}`,
        ],
      );
    });
}

interface Found {
  database: string;
  /** With API keys; unknown of a database of an older version. */
  realms: string[] | undefined;
  /** What the next start would change. */
  note?: string | undefined;
}

async function databaseOf(
  { database, apiKeys = [] }: GAuthifyServerOptions,
  tools: CommandTools,
): Promise<Found> {
  try {
    return await tools.withServer(async (server) => {
      const { DATABASE } = await import('../../store/database.js');
      const { DataKeys } = await import('../../store/data-keys.js');
      const { ApiKeysService } =
        await import('../../realms/api-keys.service.js');
      const dataKeys = server.get(DataKeys);
      return {
        database: server.get<Database>(DATABASE).description,
        realms: await server.get(ApiKeysService).realms(),
        note: (await dataKeys.needRewrap())
          ? `The next start encrypts the data keys with the key "${dataKeys.wrappingKeyId}"`
          : undefined,
      };
    });
  } catch (error) {
    if (!(error instanceof DatabaseNotReadyError)) throw error;
    const isMissing = error.state === 'missing';
    const place = database!.startsWith('sqlite:')
      ? database!.slice('sqlite:'.length)
      : 'PostgreSQL';
    return {
      database: `${place}, which the next start ${isMissing ? 'creates' : 'upgrades'}`,
      realms: isMissing ? apiKeys.map(({ realm }) => realm) : undefined,
      note: isMissing
        ? undefined
        : 'The keys were not tried, since the database is of an older version: back it up before the server upgrades it',
    };
  }
}

/** @throws StartError if nothing can listen there */
async function checkHost(host: string): Promise<void> {
  const server = createServer();
  try {
    server.listen(0, host);
    await once(server, 'listening');
  } catch (error) {
    throw new StartError(
      `HOST must be an address of this machine, but is "${host}"`,
      { cause: error },
    );
  } finally {
    server.close();
  }
}

async function checkSmtp(
  smtp: NonNullable<GAuthifyServerOptions['smtp']>,
): Promise<void> {
  const { SmtpSender } = await import('../../delivery/smtp-sender.js');
  try {
    await new SmtpSender(smtp).verify();
  } catch (error) {
    const { message } = error as Error;
    throw new StartError(
      /wrong version number/.test(message)
        ? 'SMTP_URL: the mail server speaks no TLS at this port: write smtp:// for STARTTLS'
        : `SMTP_URL: the mail server could not be logged in at: ${message}`,
      { cause: error },
    );
  }
}
