import { Command, InvalidArgumentError } from 'commander';
import type { QuickTestStep } from '../../../client/quick-test.js';
import type { Environment } from '../../settings/environment-values.js';
import { StartError } from '../../settings/start-error.js';
import type { CommandTools } from '../command-tools.js';

interface Options {
  url: string;
  email?: string;
  sms?: string;
  voice?: string;
}

/** `quick-test`: the calls of the API that most applications use, once each, on a user of its own. */
export function quickTestCommand(tools: CommandTools): Command {
  return new Command('quick-test')
    .description(
      'try calls of a running server, on a user that is deleted again; the API key comes from the variable GAUTHIFY_API_KEY',
    )
    .option(
      '--url <access-point>',
      'where it runs',
      accessPoint,
      ownAccessPoint(tools.env),
    )
    .option('--email <address>', 'send a code there')
    .option('--sms <number>', 'send a code there')
    .option('--voice <number>', 'call with a code there')
    .action(async (options: Options) => {
      const apiKey = tools.env.GAUTHIFY_API_KEY;
      if (!apiKey)
        throw new StartError(
          'Set GAUTHIFY_API_KEY to an API key: on a command line, others could see it',
        );
      const before = await outboxOf(apiKey, options.url);
      const steps = await stepsOf(apiKey, options, tools);
      const kept = (await outboxOf(apiKey, options.url))
        .filter(
          ({ unique_id: id }) => !before.some((one) => one.unique_id === id),
        )
        .map(({ channel }) => channel);
      const failed = steps.filter(({ ok }) => !ok).length;
      for (const channel of kept)
        tools.warn(
          `NOT DELIVERED: the server has no sender for the channel ${channel}, and kept the message in its outbox`,
        );
      tools.result(steps.map(shown), [
        failed > 0
          ? `${failed} of ${steps.length} failed at ${options.url}`
          : kept.length > 0
            ? 'Everything works but delivery'
            : 'Everything works',
      ]);
      if (failed > 0 || kept.length > 0) process.exitCode = 1;
    });
}

/** By the client of this package, as an application would. */
async function stepsOf(
  apiKey: string,
  { url, email, sms, voice }: Options,
  tools: CommandTools,
): Promise<QuickTestStep[]> {
  await import('reflect-metadata');
  const { NestFactory } = await import('@nestjs/core');
  const { lastValueFrom, tap, toArray } = await import('rxjs');
  const { GAuthifyModule } = await import('../../../gauthify.module.js');
  const { GAuthifyService } =
    await import('../../../client/gauthify.service.js');
  const client = await NestFactory.createApplicationContext(
    GAuthifyModule.forRoot({ apiKey, accessPoints: [url] }),
    { abortOnError: false, logger: false },
  );
  try {
    const steps$ = client
      .get(GAuthifyService)
      .quickTest({ email, smsNumber: sms, voiceNumber: voice })
      .pipe(
        tap((step) => tools.step(lineOf(step))),
        toArray(),
      );
    return await lastValueFrom(steps$);
  } finally {
    await client.close();
  }
}

interface KeptMessage {
  channel: string;
  unique_id: string;
}

/** The messages of tests like this one that the server kept. Other servers have no outbox. */
async function outboxOf(apiKey: string, url: string): Promise<KeptMessage[]> {
  try {
    const answer = await fetch(new URL('outbox/', url), {
      headers: { authorization: apiKey },
      signal: AbortSignal.timeout(5_000),
    });
    const { data } = (await answer.json()) as { data: KeptMessage[] };
    return data.filter(({ unique_id }) => unique_id.startsWith('quick-test-'));
  } catch {
    return [];
  }
}

function accessPoint(text: string): string {
  if (!URL.canParse(text) || !/^https?:.*\/v1\/?$/.test(text))
    throw new InvalidArgumentError(
      'It must be a URL that ends in /v1/, such as http://127.0.0.1:4000/v1/.',
    );
  return text.replace(/\/?$/, '/');
}

/** Of the server that this environment configures. */
function ownAccessPoint({ HOST, PORT }: Environment): string {
  const host = !HOST || /^(0\.0\.0\.0|::)$/.test(HOST) ? '127.0.0.1' : HOST;
  return `http://${host.includes(':') ? `[${host}]` : host}:${PORT || 4000}/v1/`;
}

const lineOf = ({ ok, name, error }: QuickTestStep) =>
  ok ? `ok\t${name}` : `FAILED\t${name}: ${error?.message}${causeOf(error)}`;

/** What happened where, if the error says it. */
const causeOf = (error: Error | undefined) =>
  error?.cause instanceof Error ? ` (${error.cause.message})` : '';

const shown = ({ name, ok, durationMs, error }: QuickTestStep) => ({
  name,
  ok,
  duration_ms: Math.round(durationMs),
  error: error?.message ?? null,
});
