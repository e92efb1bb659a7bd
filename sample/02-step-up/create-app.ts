import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import session from 'express-session';
import { AppModule, type SampleOptions } from './app.module.js';

const folder = (path: string) =>
  fileURLToPath(new URL(`../../sample/${path}`, import.meta.url));

/** The whole sample, not listening yet. */
export async function createApp(
  options: SampleOptions,
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(
    AppModule.register(options),
    { logger: false, abortOnError: false, forceCloseConnections: true },
  );
  app.useSecurityHeaders({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: "'self'",
        // The QR code is in the page.
        imgSrc: "'self' data:",
        frameAncestors: "'none'",
        baseUri: "'none'",
      },
    },
    strictTransportSecurity: false,
  });
  app.enableCsrfProtection();
  app.use(
    session({
      name: 'sid',
      secret: randomBytes(32).toString('base64'),
      resave: false,
      saveUninitialized: false,
      cookie: { httpOnly: true, sameSite: 'strict', secure: 'auto' },
    }),
  );
  app.useStaticAssets(folder('02-step-up/public'));
  // The look of the first sample.
  app.useStaticAssets(folder('01-login/public'));
  return app;
}
