/** One application per transport of Nest, with the same guarded handlers, and one way to ask them. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import {
  Controller,
  Get,
  type INestApplication,
  Injectable,
  type ModuleMetadata,
  UseGuards,
} from '@nestjs/common';
import {
  Field,
  GraphQLModule,
  ObjectType,
  Query,
  Resolver,
} from '@nestjs/graphql';
import { MercuriusDriver, type MercuriusDriverConfig } from '@nestjs/mercurius';
import {
  ClientProxyFactory,
  MessagePattern,
  type MicroserviceOptions,
  Transport,
} from '@nestjs/microservices';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { IoAdapter } from '@nestjs/platform-socket.io';
import { WsAdapter } from '@nestjs/platform-ws';
import { Test } from '@nestjs/testing';
import {
  type OnGatewayConnection,
  SubscribeMessage,
  WebSocketGateway,
} from '@nestjs/websockets';
import {
  GAuthifyModule,
  type GAuthifyModuleOptions,
  Mfa,
  MfaGuard,
  type MfaVerification,
  RequireMfa,
  SkipMfa,
} from 'nestjs-gauthify';
import { firstValueFrom } from 'rxjs';
import { io } from 'socket.io-client';
import { WebSocket } from 'ws';

export type Route = 'list' | 'pay' | 'open' | 'safe';

/** What a request brings. */
export interface Brought {
  user?: string | undefined;
  session?: string;
  code?: string | undefined;
  proof?: string | undefined;
}

/** What came of it: `denied` is the body of the denial. */
export interface Outcome {
  let_in?: { method: string | null; proof: string | null };
  denied?: { statusCode: number; code: string; [detail: string]: unknown };
}

export interface Subject {
  ask(route: Route, brought: Brought): Promise<Outcome>;
  close(): Promise<void>;
}

/** What every handler answers with. */
const tell = (mfa: MfaVerification | undefined) => ({
  method: mfa?.method ?? null,
  proof: mfa?.proof ?? null,
});

const PAY = { maxAgeSeconds: 60, methods: ['totp'] as const };

/** Who asks, in whatever carries the request. */
export const MFA = {
  userId: (request: any) => request.headers['x-user'] ?? request.user?.id,
  bindTo: (request: any) => request.headers['x-session'] ?? request.session,
};

const headersOf = ({ user, session = 's1', code, proof }: Brought) => ({
  ...(user !== undefined && { 'x-user': user }),
  'x-session': session,
  ...(code !== undefined && { 'x-mfa-code': code }),
  ...(proof !== undefined && { 'x-mfa-proof': proof }),
});

async function createApp(
  options: GAuthifyModuleOptions,
  metadata: ModuleMetadata,
) {
  const module = await Test.createTestingModule({
    ...metadata,
    imports: [
      GAuthifyModule.forRoot({ isGlobal: true, ...options }),
      ...(metadata.imports ?? []),
    ],
  }).compile();
  module.useLogger(false);
  return module;
}

@UseGuards(MfaGuard)
@Controller()
class HttpController {
  @Get('list') list(@Mfa() mfa: MfaVerification) {
    return tell(mfa);
  }
  @RequireMfa(PAY) @Get('pay') pay(@Mfa() mfa: MfaVerification) {
    return tell(mfa);
  }
  @SkipMfa() @Get('open') open(@Mfa() mfa: MfaVerification) {
    return tell(mfa);
  }
  @RequireMfa({ safeMode: true }) @Get('safe') safe(
    @Mfa() mfa: MfaVerification,
  ) {
    return tell(mfa);
  }
}

function http(adapter: () => any) {
  return async (options: GAuthifyModuleOptions): Promise<Subject> => {
    const module = await createApp(options, { controllers: [HttpController] });
    const app: INestApplication = module.createNestApplication(adapter());
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    return {
      ask: async (route, brought) => {
        const response = await fetch(`${url}/${route}`, {
          headers: headersOf(brought),
        });
        const body = (await response.json()) as any;
        return response.ok
          ? { let_in: { ...body, proof: response.headers.get('x-mfa-proof') } }
          : { denied: body };
      },
      close: () => app.close(),
    };
  };
}

@ObjectType()
class Told {
  @Field(() => String, { nullable: true }) method!: string | null;
  @Field(() => String, { nullable: true }) proof!: string | null;
}

@UseGuards(MfaGuard)
@Resolver()
class GraphqlResolver {
  @Query(() => Told) list(@Mfa() mfa: MfaVerification) {
    return tell(mfa);
  }
  @RequireMfa(PAY) @Query(() => Told) pay(@Mfa() mfa: MfaVerification) {
    return tell(mfa);
  }
  @SkipMfa() @Query(() => Told) open(@Mfa() mfa: MfaVerification) {
    return tell(mfa);
  }
  @RequireMfa({ safeMode: true }) @Query(() => Told) safe(
    @Mfa() mfa: MfaVerification,
  ) {
    return tell(mfa);
  }
}

function graphql(driver: any, adapter: () => any) {
  return async (options: GAuthifyModuleOptions): Promise<Subject> => {
    const module = await createApp(options, {
      imports: [
        GraphQLModule.forRoot<ApolloDriverConfig | MercuriusDriverConfig>({
          driver,
          autoSchemaFile: true,
          ...(driver === ApolloDriver ? { playground: false } : {}),
        }),
      ],
      providers: [GraphqlResolver],
    });
    const app: INestApplication = module.createNestApplication(adapter());
    await app.listen(0, '127.0.0.1');
    const url = await app.getUrl();
    return {
      ask: async (route, brought) => {
        const response = await fetch(`${url}/graphql`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            ...headersOf(brought),
          },
          // Twice in one request: both are guarded, and share what was brought.
          body: JSON.stringify({
            query: `{ a: ${route} { method proof } b: ${route} { method proof } }`,
          }),
        });
        const { data, errors } = (await response.json()) as any;
        if (errors) {
          const { extensions } = errors[0];
          return {
            denied:
              extensions.originalError ?? extensions.response ?? extensions,
          };
        }
        return { let_in: data.a };
      },
      close: () => app.close(),
    };
  };
}

@UseGuards(MfaGuard)
@WebSocketGateway()
class Gateway {
  @SubscribeMessage('list') list(@Mfa() mfa: MfaVerification) {
    return { event: 'told', data: tell(mfa) };
  }
  @RequireMfa(PAY) @SubscribeMessage('pay') pay(@Mfa() mfa: MfaVerification) {
    return { event: 'told', data: tell(mfa) };
  }
  @SkipMfa() @SubscribeMessage('open') open(@Mfa() mfa: MfaVerification) {
    return { event: 'told', data: tell(mfa) };
  }
  @RequireMfa({ safeMode: true }) @SubscribeMessage('safe') safe(
    @Mfa() mfa: MfaVerification,
  ) {
    return { event: 'told', data: tell(mfa) };
  }
}

@Injectable()
@WebSocketGateway()
class WsGateway extends Gateway implements OnGatewayConnection {
  constructor(private readonly guard: MfaGuard) {
    super();
  }
  handleConnection(client: object, request: object): void {
    this.guard.rememberHandshake(client, request);
  }
}

async function socketIo(options: GAuthifyModuleOptions): Promise<Subject> {
  const module = await createApp(options, { providers: [Gateway, MfaGuard] });
  const app: INestApplication = module.createNestApplication();
  app.useWebSocketAdapter(new IoAdapter(app));
  await app.listen(0, '127.0.0.1');
  const url = await app.getUrl();
  return {
    ask: async (route, brought) => {
      const socket = io(url, {
        transports: ['websocket'],
        extraHeaders: headersOf(brought),
        forceNew: true,
      });
      try {
        return await new Promise<Outcome>((resolve) => {
          socket.on('told', (data) => resolve({ let_in: data }));
          socket.on('exception', (denied) => resolve({ denied }));
          socket.emit(route, {});
        });
      } finally {
        socket.disconnect();
      }
    },
    close: () => app.close(),
  };
}

async function ws(options: GAuthifyModuleOptions): Promise<Subject> {
  const module = await createApp(options, { providers: [WsGateway, MfaGuard] });
  const app: INestApplication = module.createNestApplication();
  app.useWebSocketAdapter(new WsAdapter(app));
  await app.listen(0, '127.0.0.1');
  const url = (await app.getUrl()).replace('http', 'ws');
  return {
    ask: async (route, brought) => {
      const socket = new WebSocket(url, { headers: headersOf(brought) });
      await once(socket, 'open');
      try {
        socket.send(JSON.stringify({ event: route, data: {} }));
        const [message] = await once(socket, 'message');
        const { event, data } = JSON.parse(String(message));
        return event === 'told' ? { let_in: data } : { denied: data };
      } finally {
        socket.close();
      }
    },
    close: () => app.close(),
  };
}

@UseGuards(MfaGuard)
@Controller()
class TcpController {
  @MessagePattern('list') list(@Mfa() mfa: MfaVerification) {
    return tell(mfa);
  }
  @RequireMfa(PAY) @MessagePattern('pay') pay(@Mfa() mfa: MfaVerification) {
    return tell(mfa);
  }
  @SkipMfa() @MessagePattern('open') open(@Mfa() mfa: MfaVerification) {
    return tell(mfa);
  }
  @RequireMfa({ safeMode: true }) @MessagePattern('safe') safe(
    @Mfa() mfa: MfaVerification,
  ) {
    return tell(mfa);
  }
}

async function tcp(options: GAuthifyModuleOptions): Promise<Subject> {
  const module = await createApp(options, { controllers: [TcpController] });
  const app = module.createNestMicroservice<MicroserviceOptions>({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port: 0 },
  });
  await app.listen();
  const [server] = app.unwrap<any>() ? [app.unwrap<any>()] : [];
  const { port } = (server.server ?? server).address() as AddressInfo;
  const client = ClientProxyFactory.create({
    transport: Transport.TCP,
    options: { host: '127.0.0.1', port },
  });
  return {
    ask: async (route, { user, session = 's1', code, proof }) => {
      try {
        const let_in = await firstValueFrom(
          client.send(route, {
            user: user === undefined ? undefined : { id: user },
            session,
            mfa: { code, proof },
          }),
        );
        return { let_in };
      } catch (denied) {
        return { denied: denied as Outcome['denied'] & object };
      }
    },
    close: async () => {
      await client.close();
      await app.close();
    },
  };
}

export const SUBJECTS: Record<
  string,
  (options: GAuthifyModuleOptions) => Promise<Subject>
> = {
  Express: http(() => new ExpressAdapter()),
  Fastify: http(() => new FastifyAdapter()),
  Apollo: graphql(ApolloDriver, () => new ExpressAdapter()),
  Mercurius: graphql(MercuriusDriver, () => new FastifyAdapter()),
  'socket.io': socketIo,
  ws,
  'a TCP microservice': tcp,
};
