/** The program and a real mail server, Postfix, from the request to the mailbox. */
import {
  type ChildProcess,
  execFileSync,
  spawn,
  spawnSync,
} from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hasCommand } from '../helpers/shell.js';

const PROGRAM = resolve('dist/server/cli/main.js');

/** Why this file cannot run here. */
const missing = ['postfix', 'openssl'].find((name) => !hasCommand(name));
const reason =
  process.getuid?.() !== 0
    ? 'Postfix must be started by root'
    : missing && `${missing} is not installed`;
if (reason) process.stderr.write(`E-mail by Postfix is skipped: ${reason}\n`);

const SERVICES = `
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Waits for what another process does; fails with what it has said. */
async function until(isThere: () => boolean, log: () => string): Promise<void> {
  for (const end = Date.now() + 20_000; !isThere();) {
    if (Date.now() > end) throw new Error(`Not in time: ${log()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

(reason ? describe.skip : describe)('e-mail by Postfix', () => {
  let folder: string;
  let etc: string;
  let submission: number;
  const log = () => {
    const file = join(folder, 'mail.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  let postfix: ChildProcess;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    if (!existsSync(PROGRAM)) throw new Error('Run `npm run build` first');
    folder = mkdtempSync(join(tmpdir(), 'gauthify-postfix-'));
    chmodSync(folder, 0o755);
    etc = join(folder, 'etc');
    for (const name of ['etc', 'queue', 'data', 'mail'])
      mkdirSync(join(folder, name));
    const id = (user: string) =>
      Number(execFileSync('id', ['-u', user], { encoding: 'utf8' }));
    chownSync(join(folder, 'data'), id('postfix'), 0);
    chownSync(join(folder, 'mail'), id('nobody'), 0);
    const certificate = [
      '-keyout',
      join(etc, 'key.pem'),
      '-out',
      join(etc, 'cert.pem'),
    ];
    execFileSync(
      'openssl',
      // prettier-ignore
      ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', ...certificate],
      { stdio: 'ignore' },
    );
    submission = await freePort();
    writeFileSync(
      join(etc, 'main.cf'),
      `compatibility_level = 3.6
queue_directory = ${folder}/queue
data_directory = ${folder}/data
mail_owner = postfix
setgid_group = postdrop
myhostname = localhost
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = ${etc}/cert.pem
smtpd_tls_key_file = ${etc}/key.pem
virtual_mailbox_domains = example.com
virtual_mailbox_base = ${folder}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:${id('nobody')}
virtual_gid_maps = static:${id('nobody')}
maillog_file = ${folder}/mail.log
maillog_file_prefixes = ${folder}
`,
    );
    writeFileSync(
      join(etc, 'master.cf'),
      `127.0.0.1:${submission} inet n - n - - smtpd${SERVICES}`,
    );
    await startPostfix();
  });

  afterAll(async () => {
    for (const child of children)
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    await stopPostfix();
    rmSync(folder, { recursive: true });
  });

  async function startPostfix() {
    const from = log().length;
    postfix = spawn('postfix', ['-c', etc, 'start-fg'], { stdio: 'ignore' });
    await until(() => log().includes('daemon started', from), log);
  }

  async function stopPostfix() {
    const ended = once(postfix, 'exit');
    spawnSync('postfix', ['-c', etc, 'stop']);
    await ended;
  }

  /** The mail to an address, once there are `count` in all. */
  async function mail(count: number, to: string): Promise<string> {
    const box = join(folder, 'mail', 'box', 'new');
    const names = () => (existsSync(box) ? readdirSync(box) : []);
    await until(() => names().length >= count, log);
    expect(names()).toHaveLength(count);
    // Names of one second have no order.
    const all = names().map((name) => readFileSync(join(box, name), 'utf8'));
    return all.find((one) => one.includes(`\nDelivered-To: ${to}\n`))!;
  }

  it('sends codes that are right, signed, over one connection with TLS, and over a new one after a restart', async () => {
    const key = 'K'.repeat(32);
    const dkim = join(folder, 'dkim.pem');
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(dkim, privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const program = spawn(process.execPath, [PROGRAM], {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        PORT: '0',
        GAUTHIFY_API_KEYS: `default:${key}`,
        SMTP_URL: `smtp://localhost:${submission}?starttls=required`,
        MAIL_FROM: 'My Bank <codes@example.com>',
        NODE_EXTRA_CA_CERTS: join(etc, 'cert.pem'),
        DKIM_DOMAIN: 'example.com',
        DKIM_SELECTOR: 'codes',
        DKIM_KEY_FILE: dkim,
      },
    });
    children.push(program);
    let printed = '';
    program.stdout.on('data', (data) => (printed += String(data)));
    await until(
      () => /access point (\S+)\n/.test(printed),
      () => printed,
    );
    const [, url] = /access point (\S+)\n/.exec(printed)!;
    const call = async (path: string, body: object) => {
      const response = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { authorization: key, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const answer = (await response.json()) as { data: unknown };
      expect([response.ok, answer]).toEqual([true, expect.anything()]);
      return answer.data;
    };

    for (const [i, unique_id] of ['a', 'b', 'c'].entries()) {
      await call('users/', {
        unique_id,
        display_name: unique_id,
        email: `${unique_id}@example.com`,
      });
      if (i === 2) {
        // Its connections end.
        await stopPostfix();
        await startPostfix();
      }
      await call('email/', { unique_id });
      const source = await mail(i + 1, `${unique_id}@example.com`);
      expect(source).toMatch(/^From: My Bank <codes@example\.com>$/m);
      expect(source).toMatch(/^DKIM-Signature: v=1; a=rsa-sha256;/m);
      const auth_code = /^(\d{6}) is your/m.exec(source)![1];
      expect(await call('check/', { unique_id, auth_code })).toMatchObject({
        authenticated: true,
        method: 'email',
      });
    }
    expect(log().match(/: connect from/g)).toHaveLength(2);
  });
});
