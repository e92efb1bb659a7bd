/** The files that a server is deployed with. They cannot be built here, but read. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { optionsFromEnvironment } from 'nestjs-gauthify/server';
import { parse } from 'yaml';

const read = (file: string) => readFileSync(file, 'utf8');
const { bin } = JSON.parse(read('package.json')) as {
  bin: Record<string, string>;
};
const program = bin['gauthify-server']!.replace('./', '');

/** Instructions of a Dockerfile; lines that end in a backslash go on. */
const instructions = read('Dockerfile')
  .replaceAll(/^#.*\n/gm, '')
  .replaceAll('\\\n', ' ')
  .split('\n')
  .filter(Boolean)
  .map((line): [string, string] => {
    const [, name, rest] = /^(\w+) (.*)$/.exec(line)!;
    return [name!, rest!.trim()];
  });
const all = (name: string) =>
  instructions.filter(([one]) => one === name).map(([, rest]) => rest);

it('the Dockerfile names versions, copies what there is, and runs the program as nobody special', () => {
  for (const image of all('FROM')) expect(image).toMatch(/^node:\d+-slim/);
  const copied = all('COPY')
    .filter((rest) => !rest.startsWith('--from'))
    .flatMap((rest) => rest.split(/\s+/).slice(0, -1));
  expect(copied.filter((file) => !existsSync(file))).toEqual([]);
  const ignored = read('.dockerignore').split('\n');
  for (const file of copied) expect(ignored).toContain(`!${file}`);
  expect(all('USER')).toEqual(['node']);
  expect(JSON.parse(all('CMD').at(-1)!)).toEqual([
    'node',
    `node_modules/nestjs-gauthify/${program}`,
  ]);
  expect(all('HEALTHCHECK')[0]).toContain('/healthz/ready');
  expect(read('Dockerfile')).not.toMatch(/(KEY|TOKEN|PASSWORD|SECRET)S?=\S/);
});

it('the Dockerfile sets variables that the server reads', () => {
  const variables = all('ENV').join(' ').split(' ');
  const env = Object.fromEntries(
    variables.map((pair) => pair.split('=') as [string, string]),
  );
  expect(optionsFromEnvironment(env)).toMatchObject({
    host: '0.0.0.0',
    port: 4000,
    database: 'sqlite:/data/gauthify.sqlite',
  });
});

it('compose.yaml starts two instances on one database, without a secret in it', () => {
  const { services } = parse(read('compose.yaml'), { merge: true }) as {
    services: Record<string, any>;
  };
  expect(Object.keys(services)).toEqual([
    'gauthify-1',
    'gauthify-2',
    'postgres',
    'proxy',
  ]);
  const { environment } = services['gauthify-1'];
  const filled = Object.fromEntries(
    Object.entries(environment as Record<string, string>).map(
      ([name, value]) => [
        name,
        value
          .replace(
            /\$\{GAUTHIFY_ENCRYPTION_KEYS[^}]*\}/,
            () => `k1:${Buffer.alloc(32).toString('base64')}`,
          )
          .replace(/\$\{GAUTHIFY_API_KEYS[^}]*\}/, `shop:${'x'.repeat(20)}`)
          .replace(/\$\{PUBLIC_URL:-([^}]*)\}/, '$1')
          .replace(/\$\{[^}]*\}/, 'x'),
      ],
    ),
  );
  expect(optionsFromEnvironment(filled)).toMatchObject({
    database: 'postgres://gauthify:x@postgres/gauthify',
    metrics: { port: 9464 },
  });
  for (const name of Object.keys(environment as object).filter((one) =>
    /KEYS|PASSWORD/.test(one),
  ))
    expect(environment[name]).toMatch(/^\$\{\w+:\?/);
  for (const { image } of Object.values(services).filter(({ image }) => image))
    expect(image).toMatch(/^[a-z]+:\d+$/);
  for (const mounted of services['proxy'].volumes as string[])
    expect(existsSync(mounted.split(':')[0]!)).toBe(true);
});

it('the systemd unit runs the program without privileges', () => {
  const unit = read('deploy/gauthify-server.service');
  expect(unit).toContain(`node_modules/nestjs-gauthify/${program}\n`);
  for (const line of [
    'DynamicUser=yes',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'CapabilityBoundingSet=',
    'UMask=0077',
  ])
    expect(unit.split('\n')).toContain(line);
});
