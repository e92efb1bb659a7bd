import { randomBytes } from 'node:crypto';
import { describe } from '@jest/globals';
import pg from 'pg';

/** The URL of a new database on PostgreSQL; why there is none, where none can run. */
export async function createPostgres(): Promise<{
  url?: string;
  reason?: string;
}> {
  const response = await fetch(process.env.TEST_POSTGRES!, { method: 'POST' });
  const answer = (await response.json()) as {
    url?: string;
    reason?: string;
    error?: string;
  };
  if (answer.error) throw new Error(answer.error);
  return answer;
}

/** `describe` where there is PostgreSQL; elsewhere the tests are skipped, and a line says why. */
export function describeWith({
  url,
  reason,
}: {
  url?: string;
  reason?: string;
}) {
  if (url !== undefined) return describe;
  process.stderr.write(`Tests on PostgreSQL are skipped: ${reason}\n`);
  return describe.skip;
}

/** Keys for all instances of a test. */
export const encryptionKeys = () => [
  { id: 'test', key: randomBytes(32).toString('base64') },
];

/** Runs statements on a connection of its own. */
export async function withClient<Result>(
  url: string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
