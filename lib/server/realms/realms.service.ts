import { Inject, Injectable } from '@nestjs/common';
import type { MessageTexts } from '../settings/message-texts.js';
import {
  SERVER_SETTINGS,
  type ServerSettings,
} from '../settings/server.options.js';

/** What a realm may set for itself; what it does not set is the server's option. */
export interface RealmSettings {
  /** Name shown in authenticator apps and messages. */
  readonly issuer: string;
  /** Where the ezGAuth page redirects the browser after a right code. */
  readonly returnUrl: string | undefined;
  /** Origins that may frame the ezGAuth page. */
  readonly frameAncestors: readonly string[];
  /** Countries that SMS and calls may go to, ISO 3166-1 alpha-2; `undefined`: all. */
  readonly countries: readonly string[] | undefined;
  /** Own texts, by language (ISO 639-1); a text that is missing is the built-in one. */
  readonly texts: Readonly<Record<string, Partial<MessageTexts>>>;
}

/** The realms and their settings. */
@Injectable()
export class RealmsService {
  constructor(
    @Inject(SERVER_SETTINGS) private readonly settings: ServerSettings,
  ) {}

  /** The settings of a realm. Synchronous if they were read in the last seconds. */
  settingsOf(realm: string): RealmSettings | Promise<RealmSettings> {
    const { issuer, returnUrls, frameAncestors } = this.settings;
    return {
      issuer,
      returnUrl: returnUrls.get(realm),
      frameAncestors,
      countries: undefined,
      texts: {},
    };
  }
}
