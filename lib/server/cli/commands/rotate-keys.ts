import { Command } from 'commander';
import type { CommandTools } from '../command-tools.js';

/** `rotate-keys`: a new data key, with which every secret is encrypted while servers serve. */
export function rotateKeysCommand(tools: CommandTools): Command {
  return new Command('rotate-keys')
    .description(
      'encrypt every secret with a new data key, while servers serve; goes on where it was interrupted',
    )
    .option('--status', 'say whether a rotation is complete; change nothing')
    .action(({ status }: { status?: true }) =>
      tools.withServer(async (server) => {
        const { KeyRotation } = await import('../../store/key-rotation.js');
        const rotation = server.get(KeyRotation);
        if (status) {
          const complete = await rotation.isComplete();
          const sentence = complete
            ? 'Every secret is encrypted with the newest data key.'
            : 'Some secrets are encrypted with an older data key: run gauthify-server rotate-keys to go on.';
          tools.result({ complete }, [sentence]);
          if (!complete) process.exitCode = 1;
          return;
        }
        tools.step(
          'The new data key is used once every instance knows it, in 30 seconds',
        );
        const { dataKeyId, wrappingKeyId } = await rotation.rotate(
          ({ done, total }) => tools.progress(`${done} of ${total} users`),
        );
        tools.result({ data_key: dataKeyId, encryption_key: wrappingKeyId }, [
          `Every secret is encrypted with the data key ${dataKeyId}, and the data keys with the encryption key ${wrappingKeyId}.`,
          'This database needs no other encryption key. Backups from before still need theirs.',
        ]);
      }),
    );
}
