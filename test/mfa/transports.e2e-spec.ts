import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import type { MfaEvent } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { SignJWT, UnsecuredJWT } from 'jose';
import { call, createUser, wrongCode } from '../helpers/api.js';
import { MFA, type Outcome, type Subject, SUBJECTS } from './subjects.js';

const secret = randomBytes(32).toString('base64');

let server: GAuthifyTestServer;
/** Requests GAuthify got. */
let asked = 0;
let down: Subject | undefined;
let events: MfaEvent[] = [];

beforeAll(async () => {
  server = await GAuthifyTestServer.start();
  server.app.getHttpServer().on('request', () => (asked += 1));
});
afterAll(() => server.close());

/** The whole process is so much later, the server with it. */
function later(seconds: number): void {
  const now = Date.now();
  jest.spyOn(Date, 'now').mockImplementation(() => now + seconds * 1000);
}
afterEach(() => {
  jest.restoreAllMocks();
});

describe.each(Object.entries(SUBJECTS))('MfaGuard on %s', (_, start) => {
  let subject: Subject;
  const options = (accessPoint: string) => ({
    apiKey: server.apiKey,
    accessPoints: [accessPoint],
    mfa: {
      userId: MFA.userId,
      proof: { secret, bindTo: MFA.bindTo },
      onEvent: (event: MfaEvent) => void events.push(event),
    },
  });

  beforeAll(async () => {
    subject = await start(options(server.accessPoint));
  });
  afterAll(() => subject.close());
  afterEach(async () => {
    await down?.close();
    down = undefined;
    events = [];
  });

  async function enrolled(params: Record<string, string> = {}) {
    const user = await createUser(server, params);
    return { ...user, id: user.unique_id as string };
  }

  /** A proof of the user, by the authenticator app. */
  async function proofOf(user: any, session?: string): Promise<string> {
    const brought = { user: user.id, code: server.totp(user.key), session };
    const { let_in } = await subject.ask('list', brought);
    expect(let_in?.proof).toMatch(/^eyJ/);
    return let_in!.proof!;
  }

  const expectDenied = (outcome: Outcome, code: string, statusCode: number) =>
    expect(outcome.denied).toMatchObject({ code, statusCode });

  it('lets a right code in, and says which kind it was', async () => {
    const user = await enrolled();
    const { let_in } = await subject.ask('list', {
      user: user.id,
      code: server.totp(user.key),
    });
    expect(let_in).toMatchObject({ method: 'totp', proof: expect.any(String) });
    expect(events).toMatchObject([
      { type: 'verified', userId: user.id, method: 'totp' },
    ]);
    expect(JSON.stringify(events)).not.toContain(let_in!.proof);
  });

  it('lets a proof in, again and again, and asks nothing of GAuthify', async () => {
    const user = await enrolled();
    const proof = await proofOf(user);
    const before = asked;
    for (let i = 0; i < 3; i++)
      expect(
        (await subject.ask('list', { user: user.id, proof })).let_in,
      ).toMatchObject({ method: 'totp' });
    expect(asked).toBe(before);
  });

  it('asks who brings no code, with what they can be asked for and no address', async () => {
    const user = await enrolled({
      email: 'jane@example.com',
      sms_number: '9162627232',
    });
    const outcome = await subject.ask('list', { user: user.id });
    expectDenied(outcome, 'mfa_required', 401);
    expect(outcome.denied).toMatchObject({ methods: ['email', 'sms'] });
    expect(JSON.stringify(outcome)).not.toMatch(/jane@|9162627232/);
    await subject.ask('list', { user: user.id, code: server.totp(user.key) });
    const again = await subject.ask('list', { user: user.id, session: 's2' });
    expect(again.denied).toMatchObject({ methods: ['totp', 'email', 'sms'] });
    // GraphQL asks for each field: of what is told twice, one counts.
    const told = events.map(({ type }) => type);
    expect(told.filter((type, i) => type !== told[i - 1])).toEqual([
      'challenged',
      'verified',
      'challenged',
    ]);
  });

  it('refuses a wrong code, a used one, and nobody', async () => {
    const user = await enrolled();
    const code = server.totp(user.key);
    expectDenied(
      await subject.ask('list', {
        user: user.id,
        code: wrongCode(server, user.key),
      }),
      'mfa_invalid_code',
      401,
    );
    expect(events.map(({ type }) => type)).toEqual(['failed']);
    await subject.ask('list', { user: user.id, code });
    expectDenied(
      await subject.ask('list', { user: user.id, code }),
      'mfa_invalid_code',
      401,
    );
    expectDenied(await subject.ask('list', { code }), 'mfa_not_signed_in', 401);
  });

  it('says how long to wait after too many wrong codes', async () => {
    const user = await enrolled();
    const code = wrongCode(server, user.key);
    // Each on a session of its own: guards share a check within one request only.
    for (let i = 0; i < 5; i++)
      await subject.ask('list', { user: user.id, code });
    const outcome = await subject.ask('list', {
      user: user.id,
      code: server.totp(user.key),
    });
    expectDenied(outcome, 'mfa_too_many_attempts', 429);
    expect(outcome.denied).toMatchObject({ retryAfterSeconds: 5 });
    expect(events.at(-1)).toMatchObject({ type: 'locked', userId: user.id });
  });

  it('asks again after a proof has expired', async () => {
    const user = await enrolled();
    const proof = await proofOf(user);
    later(899);
    expect(
      (await subject.ask('list', { user: user.id, proof })).let_in,
    ).toBeDefined();
    later(2);
    expectDenied(
      await subject.ask('list', { user: user.id, proof }),
      'mfa_required',
      401,
    );
  });

  it('asks again before something dangerous, after 60 seconds', async () => {
    const user = await enrolled();
    const proof = await proofOf(user);
    expect(
      (await subject.ask('pay', { user: user.id, proof })).let_in,
    ).toBeDefined();
    later(61);
    const outcome = await subject.ask('pay', { user: user.id, proof });
    expectDenied(outcome, 'mfa_required', 401);
    expect(outcome.denied).toMatchObject({
      methods: ['totp'],
      maxAgeSeconds: 60,
    });
    expect(
      (await subject.ask('list', { user: user.id, proof })).let_in,
    ).toBeDefined();
    const fresh = await subject.ask('pay', {
      user: user.id,
      proof,
      code: server.totp(user.key),
    });
    expect(fresh.let_in).toMatchObject({ method: 'totp' });
  });

  it('does not take a kind of code that is not asked for', async () => {
    const user = await enrolled({
      email: `${crypto.randomUUID()}@example.com`,
    });
    await proofOf(user);
    await call(server, 'POST', 'email/', { unique_id: user.id });
    const code = server.lastCode(user.email);
    const outcome = await subject.ask('pay', { user: user.id, code });
    expectDenied(outcome, 'mfa_required', 401);
    expect(outcome.denied).toMatchObject({ methods: ['totp'] });
    later(30);
    await call(server, 'POST', 'email/', { unique_id: user.id });
    const { let_in } = await subject.ask('list', {
      user: user.id,
      code: server.lastCode(user.email),
    });
    expect(let_in).toMatchObject({ method: 'email' });
    expectDenied(
      await subject.ask('pay', { user: user.id, proof: let_in!.proof! }),
      'mfa_required',
      401,
    );
  });

  it('takes a proof for none that is another user’s, stolen, altered, or made by somebody else', async () => {
    const [jane, joe] = [await enrolled(), await enrolled()];
    await proofOf(joe);
    const proof = await proofOf(jane);
    const [header, payload, signature] = proof.split('.');
    const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString());
    const encode = (value: object) =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const forged = await new SignJWT(claims)
      .setProtectedHeader(
        JSON.parse(Buffer.from(header!, 'base64url').toString()),
      )
      .sign(randomBytes(32));
    const bad: [string, object][] = [
      ['another user’s', { user: joe.id, proof }],
      ['on another session', { user: jane.id, session: 's2', proof }],
      [
        'altered',
        {
          user: jane.id,
          proof: [
            header,
            encode({ ...claims, exp: claims.exp + 1e6 }),
            signature,
          ].join('.'),
        },
      ],
      ['of another key', { user: jane.id, proof: forged }],
      ['alg none', { user: jane.id, proof: new UnsecuredJWT(claims).encode() }],
      ['no JWT', { user: jane.id, proof: 'x' }],
    ];
    for (const [name, brought] of bad)
      expect([name, (await subject.ask('list', brought)).denied]).toMatchObject(
        [name, { code: 'mfa_required' }],
      );
  });

  it('skips what is to be skipped', async () => {
    expect((await subject.ask('open', {})).let_in).toEqual({
      method: null,
      proof: null,
    });
  });

  it('tells who has nothing to be asked for, or is unknown, to enrol', async () => {
    const user = await enrolled();
    expectDenied(
      await subject.ask('list', { user: user.id }),
      'mfa_enrollment_required',
      403,
    );
    expectDenied(
      await subject.ask('list', { user: 'nobody', code: '123456' }),
      'mfa_enrollment_required',
      403,
    );
  });

  it('lets nobody in while GAuthify is down, but in safe mode, and those with a proof', async () => {
    const user = await enrolled();
    const proof = await proofOf(user);
    down = await start(options('http://127.0.0.1:1/v1/'));
    events = [];
    expectDenied(
      await down.ask('list', { user: user.id, code: '123456' }),
      'mfa_unavailable',
      503,
    );
    expectDenied(
      await down.ask('list', { user: user.id }),
      'mfa_required',
      401,
    );
    expect(
      (await down.ask('list', { user: user.id, proof })).let_in,
    ).toMatchObject({ method: 'totp' });
    expect(
      (await down.ask('safe', { user: user.id, code: '123456' })).let_in,
    ).toEqual({ method: null, proof: null });
    expect(events.at(-1)).toMatchObject({
      type: 'bypassed',
      reason: 'safe-mode',
    });
  });
});
