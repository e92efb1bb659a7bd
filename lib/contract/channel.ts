/** A way to send a code to a user. */
export type Channel = 'email' | 'sms' | 'voice';

/** Every {@link Channel}. */
export const CHANNELS: readonly Channel[] = ['email', 'sms', 'voice'];
