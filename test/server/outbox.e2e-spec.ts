import 'reflect-metadata';
import { expect, it } from '@jest/globals';
import { Outbox } from 'nestjs-gauthify/server';

const message = (realm: string, text: string) => ({
  channel: 'sms' as const,
  to: '+19162627232',
  subject: '',
  text,
  realm,
  uniqueId: 'jane',
  code: '123456',
  locale: 'en',
});

it('keeps the last 100 messages of each realm, whatever the others send', async () => {
  const outbox = new Outbox(() => 0);
  await outbox.send(message('quiet', 'kept'));
  for (let i = 0; i < 150; i += 1) await outbox.send(message('loud', `${i}`));
  expect(outbox.messages('quiet')).toMatchObject([{ text: 'kept' }]);
  const loud = outbox.messages('loud');
  expect(loud).toHaveLength(100);
  expect(loud[0]!.text).toBe('149');
});

it('keeps messages of 100 realms, and shows all of them newest first', async () => {
  let now = 0;
  const outbox = new Outbox(() => now);
  for (now = 0; now < 101; now += 1)
    await outbox.send(message(`r${now}`, `${now}`));
  expect(outbox.messages('r0')).toEqual([]);
  expect(outbox.messages()).toHaveLength(100);
  expect(outbox.messages()[0]!.text).toBe('100');
});
