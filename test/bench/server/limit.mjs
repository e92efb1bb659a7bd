/**
 * The limit: a minimal program that makes the same durable decision (count the
 * attempt, unseal the secret, compare, mark as used) in batches with hand-written
 * statements, on the same database.
 */
import { createDecipheriv, createHmac } from 'node:crypto';
import { sqlOf } from './users.mjs';

const MAX_BATCH = 64;
const KEY = Buffer.alloc(32, 7);

function unseal(sealed) {
  const bytes = Buffer.from(sealed, 'base64url');
  const decipher = createDecipheriv('aes-256-gcm', KEY, bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([
    decipher.update(bytes.subarray(12, -16)),
    decipher.final(),
  ]);
}

/** The step of a right code; -1 if it is wrong. */
function stepOf(secret, code) {
  const now = Math.floor(Date.now() / 30_000);
  for (let step = now - 1; step <= now + 1; step++) {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const mac = createHmac('sha1', secret).update(counter).digest();
    const offset = mac.at(-1) & 15;
    const number = (mac.readUInt32BE(offset) & 0x7fffffff) % 1_000_000;
    if (String(number).padStart(6, '0') === code) return step;
  }
  return -1;
}

/** @returns the handler of `POST v1/check` */
export async function decide(database) {
  const { commit, parallel } = await sqlOf(database, { unseal, stepOf });
  let waiting = [];
  let running = 0;
  const run = async () => {
    running += 1;
    const batch = waiting.splice(0, MAX_BATCH);
    const answers = await commit(batch.map(({ body }) => body));
    batch.forEach(({ resolve }, i) => resolve(answers[i]));
    running -= 1;
    if (waiting.length > 0) setImmediate(run);
  };
  return (body) =>
    new Promise((resolve) => {
      waiting.push({
        body,
        resolve: (authenticated) =>
          resolve({
            data: {
              unique_id: body.unique_id,
              authenticated,
              method: 'totp',
            },
            request_id: '0'.repeat(32),
            server_time: new Date().toISOString(),
          }),
      });
      if (running < parallel && waiting.length === 1) setImmediate(run);
    });
}
