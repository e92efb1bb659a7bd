import { fork } from 'node:child_process';
import { once } from 'node:events';

/** Before all tests: offers PostgreSQL, which starts once a test asks for it. */
export default async function setup() {
  const child = fork(new URL('postgres-process.mjs', import.meta.url).pathname);
  const [url] = await once(child, 'message');
  // The workers inherit it.
  process.env.TEST_POSTGRES = url;
  globalThis.testPostgres = child;
}
