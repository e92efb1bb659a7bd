import 'reflect-metadata';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { Controller, Get } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { GAuthifyModule, GAuthifyService } from 'nestjs-gauthify';
import { firstValueFrom } from 'rxjs';
import { data, hang } from '../helpers/access-point.js';
import { adapter, ADAPTERS } from '../helpers/api.js';
import { accessPoint, failureOf } from '../helpers/client.js';

/** What keeps this process alive, of the kinds the client could leave behind. */
const handles = () =>
  process
    .getActiveResourcesInfo()
    .filter((type) => ['Timeout', 'TCPSocketWrap'].includes(type))
    .sort();

it('leaves nothing behind that keeps a closed application alive', async () => {
  const silent = await accessPoint(hang);
  const answering = await accessPoint((response, request, socket) => {
    // Both ends are in this process: only the client's may keep it alive.
    socket.unref();
    data([])(response, request, socket);
  });
  const before = handles();
  const start = (url: string, timeoutMs: number) =>
    Test.createTestingModule({
      imports: [
        GAuthifyModule.forRoot({
          apiKey: 'key',
          accessPoints: [url],
          timeoutMs,
          totalTimeoutMs: 60_000,
        }),
      ],
    }).compile();

  const healthy = await start(answering.url, 60_000);
  await firstValueFrom(healthy.get(GAuthifyService).getAllUsers());
  await healthy.close();

  const hopeless = await start(silent.url, 50);
  await failureOf(firstValueFrom(hopeless.get(GAuthifyService).getAllUsers()));
  await hopeless.close();
  // Sockets close a turn of the event loop or two after they are told to.
  for (let turn = 0; turn < 1000 && handles().length > before.length; turn++)
    await setImmediate();
  // Not equal: jest has timers of its own in here, which end when they like.
  expect(handles().length).toBeLessThanOrEqual(before.length);
});

@Controller()
class CheckController {
  constructor(private readonly gauthify: GAuthifyService) {}
  @Get() check() {
    return this.gauthify.checkAuth('jane', '123456');
  }
}

it.each(ADAPTERS)(
  'answers what is on its way when an application on %s is closed',
  async (name) => {
    let answer = () => undefined as void;
    const slow = await accessPoint((...args) => {
      answer = () => data({ authenticated: true })(...args);
    });
    const module = await Test.createTestingModule({
      imports: [
        GAuthifyModule.forRoot({ apiKey: 'key', accessPoints: [slow.url] }),
      ],
      controllers: [CheckController],
    }).compile();
    const app = module.createNestApplication(await adapter(name));
    await app.listen(0, '127.0.0.1');
    const arrived = slow.nextSocket();
    const response = fetch(await app.getUrl(), {
      // Else closing waits for a connection that is kept for another request.
      headers: { connection: 'close' },
    }).then((it) => it.text());
    await arrived;
    const closed = app.close();
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    answer();
    await expect(response).resolves.toBe('true');
    await closed;
  },
);
