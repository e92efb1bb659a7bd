/** The time, milliseconds since 1970, UTC. */
export type Clock = () => number;

/** Injection token of the {@link Clock}: tests set it by hand. */
export const CLOCK = Symbol('GAUTHIFY_CLOCK');
