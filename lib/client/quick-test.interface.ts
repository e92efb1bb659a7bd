/** Where `GAuthifyService.quickTest` sends codes; what is left out is not tried. */
export interface QuickTestOptions {
  /** E-mail address to send a code to. @default none */
  email?: string | undefined;
  /** Number to send a code to by SMS, E.164. @default none */
  smsNumber?: string | undefined;
  /** Number to call with a code, E.164. @default none */
  voiceNumber?: string | undefined;
}

/** Outcome of one step of `GAuthifyService.quickTest`. */
export interface QuickTestStep {
  /** What was tried: `create user`, `accept one-time pass`, … */
  name: string;
  /** Whether it went as it should. */
  ok: boolean;
  /** How long it took, milliseconds. */
  durationMs: number;
  /** Why it is not ok. */
  error?: Error;
}
