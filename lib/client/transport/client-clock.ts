/** Milliseconds of a clock that never jumps; only differences mean something. */
export type ClientClock = () => number;

/** Injection token of the {@link ClientClock}: tests turn it by hand. */
export const CLIENT_CLOCK = Symbol('GAUTHIFY_CLIENT_CLOCK');
