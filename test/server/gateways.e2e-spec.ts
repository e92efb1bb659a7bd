/** SMS and calls by Twilio and by HTTP gateways, which are real servers here. */
import 'reflect-metadata';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcp } from 'node:net';
import { Logger } from '@nestjs/common';
import {
  afterEach,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { Registry } from 'prom-client';
import {
  DeliveryUnknownError,
  type GAuthifyServerOptions,
} from 'nestjs-gauthify/server';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { call, check, createUser } from '../helpers/api.js';

interface Seen {
  method: string;
  url: string;
  headers: Record<string, unknown>;
  body: string;
}

/** A gateway that answers with this status, and notes what it was asked. */
class HttpGateway {
  readonly seen: Seen[] = [];
  status = 201;
  body = '{"sid":"SM1"}';
  private readonly server: Server = createServer((request, response) => {
    let body = '';
    request.on('data', (data) => (body += String(data)));
    request.on('end', () => {
      const { method = '', url = '', headers } = request;
      this.seen.push({ method, url, headers, body });
      if (this.status === 0) {
        request.socket.destroy();
        return;
      }
      response.writeHead(this.status, {
        'content-type': 'application/json',
        location: 'http://127.0.0.1:1/',
      });
      response.end(this.body);
    });
  });

  async open(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

const TWILIO = {
  accountSid: `AC${'0'.repeat(32)}`,
  authToken: 'a-token',
  from: '+15005550006',
};
const JANE = { sms_number: '+4915112345678', voice_number: '+4915112345678' };
/** On which nothing listens. */
async function closedUrl(): Promise<string> {
  const server = createTcp().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return `http://127.0.0.1:${port}`;
}

let gateway: HttpGateway;
let url: string;
let server: GAuthifyTestServer | undefined;
beforeEach(async () => {
  gateway = new HttpGateway();
  url = await gateway.open();
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await gateway.close();
});
const start = async (options: Partial<GAuthifyServerOptions>) =>
  (server = await GAuthifyTestServer.start(options));
const send = async (channel: string, user: any) => {
  const { unique_id } = user;
  const { status, body } = await call(server!, 'POST', `${channel}/`, {
    unique_id,
  });
  return [status, body.error_code];
};

describe('Twilio', () => {
  it('gets an SMS, whose code is right', async () => {
    await start({ twilio: { ...TWILIO, baseUrl: url } });
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([200, undefined]);
    const [request] = gateway.seen;
    expect(request).toMatchObject({
      method: 'POST',
      url: `/2010-04-01/Accounts/${TWILIO.accountSid}/Messages.json`,
    });
    const auth = `${TWILIO.accountSid}:${TWILIO.authToken}`;
    expect(request!.headers['authorization']).toBe(`Basic ${btoa(auth)}`);
    const params = new URLSearchParams(request!.body);
    expect(params.get('To')).toBe('+4915112345678');
    expect(params.get('From')).toBe(TWILIO.from);
    const code = /\d{6}/.exec(params.get('Body')!)![0];
    expect(await check(server!, user.unique_id, code)).toMatchObject({
      authenticated: true,
      method: 'sms',
    });
  });

  it('gets a call in the user’s language, with the digits one by one, twice', async () => {
    await start({ twilio: { ...TWILIO, baseUrl: url }, issuer: 'A & B' });
    const user = await createUser(server!, {
      ...JANE,
      meta: '{"locale":"de-AT"}',
    });
    expect(await send('voice', user)).toEqual([200, undefined]);
    expect(gateway.seen[0]!.url).toMatch(/Calls\.json$/);
    const twiml = new URLSearchParams(gateway.seen[0]!.body).get('Twiml')!;
    expect(twiml).toMatch(
      /^<Response><Pause length="1"\/><Say language="de-DE">[^<]*A &#38; B[^<]*<\/Say><Say/,
    );
    // A second after each digit but the last.
    const once = [
      ...twiml.matchAll(
        /(?:<Say language="de-DE">\d<\/Say><Pause length="1"\/>){5}<Say language="de-DE">\d<\/Say>/g,
      ),
    ].map(([digits]) => digits.replace(/<[^>]*>/g, ''));
    expect(once).toEqual([expect.stringMatching(/^\d{6}$/), once[0]]);
    expect(await check(server!, user.unique_id, once[0]!)).toMatchObject({
      method: 'voice',
    });
  });

  it.each([
    [400, 'delivery_failed'],
    [429, 'delivery_failed'],
    [301, 'delivery_failed'],
    [302, 'delivery_unknown'],
    [303, 'delivery_unknown'],
    [408, 'delivery_unknown'],
    [499, 'delivery_unknown'],
    [500, 'delivery_unknown'],
    [0, 'delivery_unknown'],
  ])('that answers %i: %s, asked once', async (status, error) => {
    await start({ twilio: { ...TWILIO, baseUrl: url } });
    Object.assign(gateway, { status, body: '{"code":21211,"message":"no"}' });
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([500, error]);
    expect(gateway.seen).toHaveLength(1);
  });

  it.each(['', '<ok/>', 'null'])(
    'that took the message and answers %j: no other gateway is asked',
    async (body) => {
      const other = new HttpGateway();
      const smsHttp = { url: `${await other.open()}/{code}` };
      await start({ twilio: { ...TWILIO, baseUrl: url }, smsHttp });
      gateway.body = body;
      const user = await createUser(server!, JANE);
      expect(await send('sms', user)).toEqual([200, undefined]);
      expect(other.seen).toEqual([]);
      await other.close();
    },
  );

  it('that is not there: the next gateway is asked', async () => {
    await start({
      twilio: { ...TWILIO, baseUrl: await closedUrl() },
      smsHttp: { url: `${url}/?to={to_digits}&text={text}`, method: 'GET' },
    });
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([200, undefined]);
    expect(gateway.seen[0]!.url).toMatch(/^\/\?to=4915112345678&text=\d{6}%20/);
  });

  it('that refuses: the next gateway is asked, and both are counted and logged', async () => {
    const logged = jest
      .spyOn(Logger.prototype, 'error')
      .mockImplementation(() => {});
    try {
      const other = new HttpGateway();
      const smsHttp = { url: `${await other.open()}/{code}` };
      const registry = new Registry();
      await start({
        twilio: { ...TWILIO, baseUrl: url },
        smsHttp,
        metrics: { registry },
      });
      Object.assign(gateway, {
        status: 429,
        body: '{"code":20429,"message":"to +4915112345678"}',
      });
      const user = await createUser(server!, JANE);
      expect(await send('sms', user)).toEqual([200, undefined]);
      expect(other.seen).toHaveLength(1);
      await other.close();
      expect(logged.mock.calls).toEqual([
        [
          expect.stringMatching(
            /^request_id [0-9a-f]{32}: A code by sms could not be delivered: Twilio: 20429 429$/,
          ),
        ],
      ]);
      const counted = await registry.metrics();
      for (const outcome of ['failed', 'sent'])
        expect(counted).toContain(
          `gauthify_sends_total{channel="sms",outcome="${outcome}"} 1`,
        );
    } finally {
      logged.mockRestore();
    }
  });

  it('that says that the person answered STOP: no other gateway is asked', async () => {
    const other = new HttpGateway();
    const smsHttp = { url: `${await other.open()}/{code}` };
    await start({ twilio: { ...TWILIO, baseUrl: url }, smsHttp });
    Object.assign(gateway, { status: 400, body: '{"code":21610}' });
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([500, 'delivery_failed']);
    expect(other.seen).toEqual([]);
    await other.close();
  });

  it('that accepts no connection: the next gateway is asked within the time of a client', async () => {
    // Accepts TCP, and never begins with TLS.
    const silent = createTcp().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    await start({
      twilio: { ...TWILIO, baseUrl: `https://127.0.0.1:${port}` },
      smsHttp: { url: `${url}/{code}` },
    });
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([200, undefined]);
    expect(gateway.seen).toHaveLength(1);
    silent.close();
  });

  it('that may have sent: no other gateway is asked', async () => {
    const other = new HttpGateway();
    const smsHttp = { url: `${await other.open()}/{code}` };
    await start({ twilio: { ...TWILIO, baseUrl: url }, smsHttp });
    gateway.status = 503;
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([500, 'delivery_unknown']);
    expect(other.seen).toEqual([]);
    await other.close();
  });
});

describe('an HTTP gateway', () => {
  const issuer = `"}, <x> & 'y'`;
  it.each([
    [
      'application/json',
      '{"to":"{to}","text":"{text}"}',
      (body: string) => JSON.parse(body) as unknown,
    ],
    [
      'application/x-www-form-urlencoded',
      'to={to}&text={text}',
      (body: string) => Object.fromEntries(new URLSearchParams(body)),
    ],
  ])('gets %s with values that are values', async (type, body, parse) => {
    await start({
      issuer,
      smsHttp: { url, headers: { 'Content-Type': type, 'x-key': 'k' }, body },
    });
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([200, undefined]);
    const [request] = gateway.seen;
    expect(request!.headers['x-key']).toBe('k');
    expect(parse(request!.body)).toEqual({
      to: '+4915112345678',
      text: expect.stringContaining(issuer),
    });
  });

  it.each([
    [404, 'delivery_failed'],
    [301, 'delivery_failed'],
    [502, 'delivery_unknown'],
    [0, 'delivery_unknown'],
  ])('that answers %i: %s', async (status, error) => {
    await start({ voiceHttp: { url: `${url}/{code}` } });
    gateway.status = status;
    const user = await createUser(server!, JANE);
    expect(await send('voice', user)).toEqual([500, error]);
    expect(gateway.seen).toHaveLength(1);
  });

  it('that answers without end fills no memory', async () => {
    await start({ smsHttp: { url: `${url}/{code}` } });
    gateway.body = 'x'.repeat(300 * 1024);
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([500, 'delivery_unknown']);
  });

  it.each([
    [
      { url: 'http://gateway.example.com/{text}' },
      /smsHttp.url must be an https URL: over http/,
    ],
    [{ url: 'ftp://x/{text}' }, /smsHttp.url must be an https URL/],
    [{ url: 'https://x.example/' }, /must have \{text\} or \{code\}/],
    [{ url: 'https://x.example/', body: '{text}' }, /must have a content-type/],
    [
      {
        url: 'https://x.example/',
        headers: { 'content-type': 'application/json' },
        body: '{"to":"{to}","text":{text}}',
      },
      /body must be JSON once it is filled in/,
    ],
    [
      {
        url: 'https://x.example/',
        headers: { 'content-type': 'application/json' },
        body: '{"code":{code}}',
      },
      /body must be JSON once it is filled in/,
    ],
    [
      { url: 'https://x.example/{code}', method: 'PATCH' },
      /must be GET, POST or PUT/,
    ],
    [
      { url: 'https://x.example/{code}', headers: { a: 'b\nc' } },
      /headers must be an object of texts/,
    ],
    [{ url: 'https://x.example/{code}', bdoy: 'x' }, /did you mean/],
  ])('is refused at start: %j', async (smsHttp, message) => {
    await expect(start({ smsHttp: smsHttp as any })).rejects.toThrow(message);
  });
});

describe('senders of the application', () => {
  const failing = (error: Error) => {
    const sender = { asked: 0, closed: 0, send, close };
    async function send(): Promise<void> {
      sender.asked += 1;
      throw error;
    }
    function close(): void {
      sender.closed += 1;
    }
    return sender;
  };

  it('are asked in order, and closed in the end', async () => {
    const first = failing(new Error('no'));
    const second = failing(new DeliveryUnknownError('perhaps'));
    const third = failing(new Error('never asked'));
    await start({ senders: { sms: [first, second, third] } });
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([500, 'delivery_unknown']);
    expect([first, second, third].map(({ asked }) => asked)).toEqual([1, 1, 0]);
    await server!.close();
    server = undefined;
    expect([first, second, third].map(({ closed }) => closed)).toEqual([
      1, 1, 1,
    ]);
  });

  it('that give up when the signal aborts leave the outcome unknown', async () => {
    const silent = createTcp().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const second = failing(new Error('never asked'));
    const first = {
      async send(_: unknown, signal: AbortSignal) {
        await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', signal });
      },
    };
    await start({ senders: { sms: [first, second] } });
    const user = await createUser(server!, JANE);
    expect(await send('sms', user)).toEqual([500, 'delivery_unknown']);
    expect(second.asked).toBe(0);
    silent.close();
  });

  it('that heed no signal leave the outcome unknown', async () => {
    jest.useFakeTimers({
      doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'],
    });
    try {
      await start({ senders: { sms: { send: () => new Promise(() => {}) } } });
      const user = await createUser(server!, JANE);
      const sent = send('sms', user);
      let outcome: unknown;
      void sent.then((value) => (outcome = value));
      while (outcome === undefined) {
        jest.advanceTimersByTime(100);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(outcome).toEqual([500, 'delivery_unknown']);
    } finally {
      jest.useRealTimers();
    }
  });
});
