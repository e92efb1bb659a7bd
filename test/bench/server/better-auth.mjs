/** The peer: better-auth's two-factor plugin, its `verify-totp` over HTTP, on SQLite. */
import { createServer } from 'node:http';
import BetterSqlite3 from 'better-sqlite3';
import { betterAuth } from 'better-auth';
import { getMigrations } from 'better-auth/db/migration';
import { toNodeHandler } from 'better-auth/node';
import { twoFactor } from 'better-auth/plugins';
import { URI } from 'otpauth';
import { fileOf } from './users.mjs';

/** @returns where and how a signed-in user verifies a code */
export async function startBetterAuth(database) {
  const sqlite = new BetterSqlite3(fileOf(database));
  sqlite.pragma('journal_mode = WAL');
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  const baseURL = `http://127.0.0.1:${port}`;
  const options = {
    baseURL,
    secret: 'a secret of the bench, at least 32 characters',
    database: sqlite,
    emailAndPassword: { enabled: true },
    rateLimit: { enabled: false },
    telemetry: { enabled: false },
    plugins: [twoFactor()],
  };
  const auth = betterAuth(options);
  await (await getMigrations(options)).runMigrations();
  server.on('request', toNodeHandler(auth));
  const post = async (path, body, cookie = '') => {
    const answer = await fetch(`${baseURL}/api/auth/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: baseURL, cookie },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
    const cookies = answer.headers.getSetCookie().map((c) => c.split(';')[0]);
    return { body: await answer.json(), cookie: cookies.join('; ') };
  };
  const password = 'a password of the bench';
  const { cookie } = await post('sign-up/email', {
    email: 'jane@example.com',
    name: 'Jane',
    password,
  });
  const { body } = await post('two-factor/enable', { password }, cookie);
  const totp = URI.parse(body.totpURI);
  // The first code turns the second factor on, and begins another session.
  const verified = await post(
    'two-factor/verify-totp',
    { code: totp.generate() },
    cookie,
  );
  return {
    port,
    path: '/api/auth/two-factor/verify-totp',
    headers: { cookie: verified.cookie, origin: baseURL },
    // It accepts a code more than once.
    body: { code: totp.generate() },
  };
}
