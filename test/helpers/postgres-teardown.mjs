import { once } from 'node:events';

/** After all tests, failed ones too. */
export default async function teardown() {
  const child = globalThis.testPostgres;
  if (child.exitCode !== null) return;
  child.disconnect();
  await once(child, 'exit');
}
