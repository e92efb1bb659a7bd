/** An instance of the server, to be killed: tells its parent its access point, and each code that it sends. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';

const [, , database, apiKey, encryptionKey] = process.argv;
const { GAuthifyServerModule } = await import('../../dist/server/index.js');
const { createFastifyAdapter } =
  await import('../../dist/server/v1/fastify-adapter.js');
const app = await NestFactory.create(
  GAuthifyServerModule.forRoot({
    database,
    apiKeys: [{ realm: 'races', key: apiKey }],
    encryptionKeys: [{ id: 'races', key: encryptionKey }],
    standalone: true,
    senders: { email: { send: async (message) => process.send({ message }) } },
    // Every request gets to look at its code: what lets one in must be the code alone.
    security: {
      freeAttempts: 1e6,
      lockAfterAttempts: 1e6,
      maxWrongCodesPerDay: 1e6,
      sentCodeTries: 1e6,
    },
  }),
  await createFastifyAdapter(),
  { logger: ['error'] },
);
await app.listen(0, '127.0.0.1');
process.on('disconnect', () => process.exit());
process.send({ url: `${await app.getUrl()}/v1/` });
