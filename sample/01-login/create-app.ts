import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { NextFunction, Request, Response } from 'express';
import session from 'express-session';
import { AppModule } from './app.module.js';
import { prepareDataDir } from './accounts/data-dir.js';
import { SAMPLE_DIR, type SampleOptions } from './environment.js';

const HOUR_MS = 60 * 60 * 1000;

/** The whole sample, not listening yet. */
export async function createApp(
  options: SampleOptions,
): Promise<NestExpressApplication> {
  prepareDataDir(options.dataDir);
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.register(options),
    // Silent until it listens: what stops it at start is one sentence of `main`.
    { logger: false, abortOnError: false, forceCloseConnections: true },
  );
  app.useSecurityHeaders({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: "'none'",
        styleSrc: "'self'",
        imgSrc: ["'self'", 'data:'],
        formAction: "'self'",
        frameAncestors: "'none'",
        baseUri: "'none'",
      },
    },
    xFrameOptions: { action: 'deny' },
    // The sample speaks HTTP.
    strictTransportSecurity: false,
  });
  app.enableCsrfProtection();
  app.useStaticAssets(join(SAMPLE_DIR, 'public'));
  app.use((_request: Request, response: Response, next: NextFunction) => {
    // After signing out, the back button must not show what was there.
    response.setHeader('Cache-Control', 'no-store');
    next();
  });
  app.use(
    session({
      name: 'sid',
      // Sessions live in memory: a restart signs everyone out.
      secret: randomBytes(32).toString('base64'),
      resave: false,
      saveUninitialized: false,
      rolling: true,
      cookie: {
        httpOnly: true,
        sameSite: 'strict',
        secure: 'auto',
        maxAge: HOUR_MS,
      },
    }),
  );
  app.setBaseViewsDir(join(SAMPLE_DIR, 'views'));
  app.setViewEngine('hbs');
  return app;
}
