import { Command } from 'commander';
import type { QuickTestStep } from '../../../client/quick-test.js';
import { StartError } from '../../settings/start-error.js';
import type { CommandTools } from '../command-tools.js';

interface Options {
  url: string;
  email?: string;
  sms?: string;
  voice?: string;
}

/** `quick-test`: every call of the API once, on a user of its own. */
export function quickTestCommand(tools: CommandTools): Command {
  return new Command('quick-test')
    .description(
      'try every call of a running server, on a user that is deleted again; the API key comes from the variable GAUTHIFY_API_KEY',
    )
    .option(
      '--url <access-point>',
      'where it runs',
      'http://127.0.0.1:4000/v1/',
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
      const steps = await stepsOf(apiKey, options, tools);
      const failed = steps.filter(({ ok }) => !ok).length;
      tools.result(steps.map(shown), [
        failed === 0
          ? 'Everything works'
          : `${failed} of ${steps.length} failed`,
      ]);
      if (failed > 0) process.exitCode = 1;
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

const lineOf = ({ ok, name, error }: QuickTestStep) =>
  ok ? `ok\t${name}` : `FAILED\t${name}: ${error?.message}`;

const shown = ({ name, ok, durationMs, error }: QuickTestStep) => ({
  name,
  ok,
  duration_ms: Math.round(durationMs),
  error: error?.message ?? null,
});
