import type { MessageTexts } from '../settings/message-texts.js';

/** The language of texts where there is none for a user's. */
export const DEFAULT_LANGUAGE = 'en';

/**
 * Texts by language. `{minutes}` is a number with its unit: "5 minutes". An SMS text
 * uses only letters of GSM 03.38 where the language allows it, and leaves room for a
 * name and a domain in 160 of them: longer ones are paid for twice.
 */
export const BUILT_IN_TEXTS: Readonly<Record<string, MessageTexts>> = {
  en: {
    emailSubject: 'Your {issuer} verification code',
    emailText:
      '{code} is your {issuer} verification code. It works once, for {minutes}. Never tell it to anyone who calls or writes to you.',
    smsText:
      '{code} is your {issuer} verification code. It works once, for {minutes}. Never tell it to anyone.',
    voiceText: 'Your {issuer} verification code is {code}.',
  },
  de: {
    emailSubject: 'Ihr Bestätigungscode für {issuer}',
    emailText:
      '{code} ist Ihr Bestätigungscode für {issuer}. Er gilt einmal, {minutes} lang. Nennen Sie ihn niemandem, der Sie anruft oder Ihnen schreibt.',
    smsText:
      '{code} ist Ihr Bestätigungscode für {issuer}. Er gilt einmal, {minutes} lang. Nennen Sie ihn niemandem.',
    voiceText: 'Ihr Bestätigungscode für {issuer} lautet {code}.',
  },
  es: {
    emailSubject: 'Su código de verificación de {issuer}',
    emailText:
      '{code} es su código de verificación de {issuer}. Sirve una sola vez, durante {minutes}. No se lo diga a nadie que le llame o le escriba.',
    smsText:
      '{code} es su clave de {issuer}. Sirve una sola vez, durante {minutes}. No se la diga a nadie.',
    voiceText: 'Su código de verificación de {issuer} es {code}.',
  },
  fr: {
    emailSubject: 'Votre code de vérification {issuer}',
    emailText:
      '{code} est votre code de vérification {issuer}. Il est valable une seule fois, pendant {minutes}. Ne le communiquez à personne qui vous appelle ou vous écrit.',
    smsText:
      '{code} est votre code de vérification {issuer}. Il est valable une fois, pendant {minutes}. Ne le donnez à personne.',
    voiceText: 'Votre code de vérification {issuer} est {code}.',
  },
  ar: {
    emailSubject: 'رمز التحقق الخاص بك في {issuer}',
    emailText:
      '{code} هو رمز التحقق الخاص بك في {issuer}. يصلح لمرة واحدة. مدة الصلاحية: {minutes}. لا تخبر به أي شخص يتصل بك أو يراسلك.',
    smsText:
      '{code} هو رمز التحقق الخاص بك في {issuer}. يصلح لمرة واحدة. مدة الصلاحية: {minutes}. لا تخبر به أحدا.',
    voiceText: 'رمز التحقق الخاص بك في {issuer} هو {code}.',
  },
};
