/**
 * What a message says in one language. `{code}`, `{issuer}` and `{minutes}` are
 * filled in.
 */
export interface MessageTexts {
  emailSubject: string;
  emailText: string;
  smsText: string;
  voiceText: string;
}
