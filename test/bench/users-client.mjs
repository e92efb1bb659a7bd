/** Reads all users of the server at port `argv[2]`; sends how many, and the most memory it took. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { lastValueFrom, count, tap } from 'rxjs';
import { GAuthifyModule, GAuthifyService } from '../../dist/index.js';

const app = await NestFactory.createApplicationContext(
  GAuthifyModule.forRoot({
    apiKey: 'key',
    accessPoints: [`http://127.0.0.1:${process.argv[2]}/v1/`],
  }),
  { logger: false },
);
let seen = 0;
let maxRssBytes = 0;
const users = await lastValueFrom(
  app
    .get(GAuthifyService)
    .users({ pageSize: Number(process.argv[3] ?? 100) })
    .pipe(
      tap(() => {
        if (++seen % 1000 === 0)
          maxRssBytes = Math.max(maxRssBytes, process.memoryUsage.rss());
      }),
      count(),
    ),
);
await app.close();
process.send({ users, maxRssMb: Math.round(maxRssBytes / 2 ** 20) }, () =>
  process.disconnect(),
);
