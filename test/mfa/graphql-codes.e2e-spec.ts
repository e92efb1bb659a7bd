/** One code authorises one operation of a GraphQL request, unless it is remembered in a proof. */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { type INestApplication, UseGuards } from '@nestjs/common';
import {
  Field,
  GraphQLModule,
  Mutation,
  ObjectType,
  Query,
  ResolveField,
  Resolver,
} from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  it,
} from '@jest/globals';
import { Mfa, MfaGuard, type MfaOptions } from 'nestjs-gauthify';
import { GAuthifyTestServer } from 'nestjs-gauthify/testing';
import { createUser } from '../helpers/api.js';
import { startApp } from './guarded-app.js';
import { MFA } from './subjects.js';

@ObjectType()
class Receipt {
  @Field() id!: string;
}

let paid = 0;

@Resolver(() => Receipt)
@UseGuards(MfaGuard)
class PaymentsResolver {
  @Query(() => Receipt) last() {
    return { id: 'last' };
  }
  @Mutation(() => Receipt) pay() {
    paid += 1;
    return { id: 'paid' };
  }
  @ResolveField(() => String) method(@Mfa() mfa: any) {
    return mfa.method;
  }
}

/** Another module has a guard of its own. */
@Resolver()
@UseGuards(MfaGuard)
class OtherResolver {
  @Query(() => String) other() {
    return 'other';
  }
}

let server: GAuthifyTestServer;
let app: INestApplication | undefined;
let checks = 0;
beforeAll(async () => {
  server = await GAuthifyTestServer.start();
  server.app.getHttpServer().on('request', ({ method }: { method: string }) => {
    if (method === 'POST') checks += 1;
  });
});
afterAll(() => server.close());
afterEach(async () => {
  await app?.close();
  app = undefined;
});

describe.each([
  ['Apollo', ApolloDriver, 'express'],
  ['Mercurius', MercuriusDriver, 'fastify'],
] as const)('%s', (_, driver, adapterName) => {
  async function start(mfa: Partial<MfaOptions> = {}) {
    const started = await startApp(
      adapterName,
      {
        apiKey: server.apiKey,
        accessPoints: [server.accessPoint],
        mfa: { userId: MFA.userId, ...mfa },
      },
      {
        imports: [
          GraphQLModule.forRoot<ApolloDriverConfig | MercuriusDriverConfig>({
            driver,
            autoSchemaFile: true,
            allowBatchedQueries: true,
            allowBatchedHttpRequests: true,
            ...(driver === ApolloDriver ? { playground: false } : {}),
          } as any),
        ],
        providers: [PaymentsResolver, OtherResolver],
      },
    );
    app = started.app;
    const user = await createUser(server);
    paid = 0;
    checks = 0;
    return async (body: unknown) =>
      (
        await started.ask(
          'POST',
          '/graphql',
          { 'x-user': user.unique_id, 'x-mfa-code': server.totp(user.key) },
          body,
        )
      ).body;
  }

  it('lets one of several mutations in, and asks GAuthify once', async () => {
    const ask = await start();
    const { errors } = await ask({
      query: 'mutation { a: pay { id } b: pay { id } c: pay { id } }',
    });
    expect(paid).toBe(1);
    expect(errors).not.toHaveLength(0);
    expect(JSON.stringify(errors)).toContain('mfa_invalid_code');
    expect(checks).toBe(1);
  });

  it.each(['mutation { pay { id } }', '{ last { id } }'])(
    'lets one of several batched operations in: %s',
    async (query) => {
      const ask = await start();
      const answers: any[] = await ask([{ query }, { query }, { query }]);
      expect(answers.filter(({ errors }) => !errors)).toHaveLength(1);
      expect(checks).toBe(1);
    },
  );

  it('shares the check with what is below a mutation', async () => {
    const ask = await start();
    const answer = await ask({
      query: 'mutation { pay { id a: method b: method } }',
    });
    expect(answer).toEqual({
      data: { pay: { id: 'paid', a: 'totp', b: 'totp' } },
    });
    expect(checks).toBe(1);
  });

  it('shares the check among all fields of a query', async () => {
    const ask = await start();
    const answer = await ask({
      query: '{ a: last { method } b: last { method } other }',
    });
    expect(answer).toEqual({
      data: { a: { method: 'totp' }, b: { method: 'totp' }, other: 'other' },
    });
    expect(checks).toBe(1);
  });

  it('lets all in where the code is remembered in a proof', async () => {
    const ask = await start({
      proof: { secret: randomBytes(32).toString('base64') },
    });
    const { errors } = await ask({
      query: 'mutation { a: pay { id method } b: pay { id method } }',
    });
    expect(errors).toBeUndefined();
    expect(paid).toBe(2);
    expect(checks).toBe(1);
  });
});
