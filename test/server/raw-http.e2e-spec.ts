import 'reflect-metadata';
import { connect } from 'node:net';
import { once } from 'node:events';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  it,
} from '@jest/globals';
import { Controller, Get, type INestApplication, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { GAuthifyServerModule } from 'nestjs-gauthify/server';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { adapter, ADAPTERS } from '../helpers/api.js';
import { type RawAnswer, sendRaw } from '../helpers/raw-http.js';

/** An answer that the published clients take for a failure, and can read. */
function expectEnvelope(answer: RawAnswer, status: number): void {
  expect([answer.status, answer.body]).toEqual([status, expect.any(String)]);
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  expect(JSON.parse(answer.body)).toEqual({
    error_message: expect.any(String),
    error_code: expect.any(String),
    http_status: status,
    request_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    server_time: expect.any(String),
  });
}

const HOST = 'Host: x\r\n';
const LONG_HEADER = `X-Long: ${'x'.repeat(20_000)}\r\n`;

/** [what, bytes, status] below a mount path that ends in `/`. */
const refused = (at: string): [string, string, number][] => [
  [
    'raw Latin-1 in the path',
    `GET ${at}v1/users/J\xfcrgen/ HTTP/1.1\r\n${HOST}\r\n`,
    406,
  ],
  [
    'raw UTF-8 in the path',
    `GET ${at}v1/users/J\xc3\xbcrgen/ HTTP/1.1\r\n${HOST}\r\n`,
    406,
  ],
  [
    'a space in the path',
    `GET ${at}v1/users/a b/ HTTP/1.1\r\n${HOST}\r\n`,
    406,
  ],
  [
    'headers that are too large',
    `GET ${at}v1/users/ HTTP/1.1\r\n${HOST}${LONG_HEADER}\r\n`,
    406,
  ],
  [
    'a malformed header',
    `GET ${at}v1/users/ HTTP/1.1\r\n${HOST}no colon\r\n\r\n`,
    406,
  ],
  [
    'an unknown HTTP version',
    `GET ${at}v1/users/ HTTP/7.3\r\n${HOST}\r\n`,
    406,
  ],
  ['an unknown method', `BREW ${at}v1/users/ HTTP/1.1\r\n${HOST}\r\n`, 404],
  [
    'a method no router knows',
    `MKCALENDAR ${at}v1/users/ HTTP/1.1\r\n${HOST}\r\n`,
    404,
  ],
  ['OPTIONS', `OPTIONS ${at}v1/users/ HTTP/1.1\r\n${HOST}\r\n`, 404],
  ['TRACE', `TRACE ${at}v1/users/ HTTP/1.1\r\n${HOST}\r\n`, 404],
  [
    'an escape that is no UTF-8',
    `GET ${at}v1/nothing/%FF HTTP/1.1\r\n${HOST}\r\n`,
    404,
  ],
  [
    'a percent sign that is no escape',
    `GET ${at}v1/%zz/ HTTP/1.1\r\n${HOST}\r\n`,
    404,
  ],
  [
    'a link to a page that is no UTF-8',
    `GET ${at}v1/unknown/%E4/%F6 HTTP/1.1\r\n${HOST}\r\n`,
    404,
  ],
  [
    'a path without an end',
    `GET ${at}v1/nothing/${'x'.repeat(8000)} HTTP/1.1\r\n${HOST}\r\n`,
    404,
  ],
  [
    'an expectation',
    `GET ${at}v1/nothing/ HTTP/1.1\r\n${HOST}Expect: a miracle\r\n\r\n`,
    404,
  ],
  [
    'two lengths',
    `POST ${at}v1/check/ HTTP/1.1\r\n${HOST}Content-Length: 1\r\nContent-Length: 2\r\n\r\nx`,
    406,
  ],
  [
    'a broken chunk',
    `POST ${at}v1/check/ HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    406,
  ],
  [
    'an absolute URL',
    `GET http://x${at}v1/nothing/ HTTP/1.1\r\n${HOST}\r\n`,
    404,
  ],
  ['the path without a slash', `GET ${at}v1 HTTP/1.1\r\n${HOST}\r\n`, 404],
];

describe.each(ADAPTERS)('a server that stands alone on %s', (name) => {
  let server: GAuthifyTestServer;
  beforeAll(async () => {
    server = await GAuthifyTestServer.start({ adapter: await adapter(name) });
  });
  afterAll(() => server.close());

  it.each([
    ...refused('/'),
    ['no HTTP at all', 'hello\r\n\r\n', 404],
    [
      'a base URL without v1',
      `POST /check/ HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{`,
      404,
    ],
    [
      'an unknown path with an id that is no UTF-8',
      `GET /users/J%FCrgen/ HTTP/1.1\r\n${HOST}\r\n`,
      404,
    ],
    ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 404],
  ] as [string, string, number][])(
    'answers %s with the envelope',
    async (_, bytes, status) => {
      expectEnvelope(await sendRaw(server.accessPoint, bytes), status);
    },
  );

  it('answers HEAD with a status of the contract and no body', async () => {
    const statusOf = async (path: string, key: string) =>
      (
        await fetch(server.accessPoint + path, {
          method: 'HEAD',
          headers: { authorization: key },
        })
      ).status;
    expect(await statusOf('errors/', server.apiKey)).toBe(200);
    expect(await statusOf('errors/', 'wrong')).toBe(401);
    expect(await statusOf('nothing/', server.apiKey)).toBe(404);
    expect(await statusOf('check/', server.apiKey)).toBe(404);
  });

  it('goes on to read oversized headers that arrive bit by bit', async () => {
    const answer = await sendRaw(
      server.accessPoint,
      `GET /v1/users/ HTTP/1.1\r\n${HOST}${LONG_HEADER.repeat(10)}\r\n`,
    );
    expectEnvelope(answer, 406);
  });

  it('answers a half-sent request that takes too long with the envelope', async () => {
    const http = server.app.getHttpServer();
    const { hostname, port } = new URL(server.accessPoint);
    const socket = connect(Number(port), hostname);
    const connected = once(http, 'connection');
    socket.write(
      'POST /v1/check/ HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n',
    );
    const [accepted] = await connected;
    // What Node reports once its clock says so.
    http.emit(
      'clientError',
      Object.assign(new Error('Request timeout'), {
        code: 'ERR_HTTP_REQUEST_TIMEOUT',
      }),
      accepted,
    );
    const [data] = await once(socket, 'data');
    socket.destroy();
    expect(String(data)).toMatch(
      /^HTTP\/1\.1 500 .*"error_code":"request_timeout"/s,
    );
  });

  it('says at / what this server is', async () => {
    const response = await fetch(new URL('/', server.accessPoint));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(
      'text/html; charset=utf-8',
    );
    expect(await response.text()).toContain('GAuthify server');
  });

  it('explains HTTP Basic if the key was sent as the user name', async () => {
    const response = await fetch(`${server.accessPoint}users/`, {
      headers: { authorization: `Basic ${btoa(`${server.apiKey}:`)}` },
    });
    expect(response.status).toBe(401);
    const { error_message } = (await response.json()) as any;
    expect(error_message).toContain('curl -u :KEY');
    expect(error_message).not.toContain(server.apiKey);
  });
});

@Controller('own')
class OwnController {
  @Get(':id')
  own() {
    return 'own';
  }
}

@Module({ controllers: [OwnController] })
class OwnModule {}

describe.each(ADAPTERS)('inside an application on %s', (name) => {
  let app: INestApplication | undefined;
  afterEach(() => app?.close());

  async function start(path?: string): Promise<string> {
    const module = await Test.createTestingModule({
      imports: [
        ...(path === undefined
          ? []
          : [
              GAuthifyServerModule.forRoot({
                database: 'sqlite::memory:',
                path,
              }),
            ]),
        OwnModule,
      ],
    }).compile();
    app = module.createNestApplication(await adapter(name), { logger: false });
    await app.listen(0, '127.0.0.1');
    return await app.getUrl();
  }

  it.each(['', 'gauthify'])(
    'answers unreadable requests below its path %j with the envelope',
    async (path) => {
      const url = await start(path);
      for (const [, bytes, status] of refused(path ? `/${path}/` : '/'))
        expectEnvelope(await sendRaw(url, bytes), status);
    },
  );

  it('answers everything below its path with the envelope', async () => {
    const url = await start('gauthify');
    for (const path of [
      '/gauthify',
      '/gauthify/',
      '/gauthify/users/',
      '/gauthify/users/%FF',
    ])
      expectEnvelope(
        await sendRaw(url, `GET ${path} HTTP/1.1\r\n${HOST}\r\n`),
        404,
      );
  });

  it('leaves the application’s own errors as they were', async () => {
    const bytes = [
      `GET /own/J\xfcrgen HTTP/1.1\r\n${HOST}\r\n`,
      `GET /own/%FF HTTP/1.1\r\n${HOST}\r\n`,
      `GET /own/1 HTTP/1.1\r\n${HOST}${LONG_HEADER}\r\n`,
      `BREW /own/1 HTTP/1.1\r\n${HOST}\r\n`,
      `GET /own/1 HTTP/1.1\r\n${HOST}Expect: a miracle\r\n\r\n`,
      `GET /nope HTTP/1.1\r\n${HOST}\r\n`,
      'hello\r\n\r\n',
    ];
    const answers = async (url: string) => {
      const all = [];
      for (const it of bytes) {
        const { status, body } = await sendRaw(url, it);
        all.push({ status, body });
      }
      return all;
    };
    const before = await answers(await start());
    await app!.close();
    expect(await answers(await start('gauthify'))).toEqual(before);
    expect(before.map(({ status }) => status)).toEqual([
      400, 400, 431, 400, 417, 404, 400,
    ]);
  });
});
