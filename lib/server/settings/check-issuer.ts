import { isString, shown } from './option-type.js';
import { StartError } from './start-error.js';

/**
 * Checks the name shown in authenticator apps and messages.
 *
 * @param name starts the error: "Option issuer"
 * @throws StartError
 */
export function checkIssuer(issuer: unknown, name: string): string {
  // A colon separates issuer and account in the otpauth:// label [Key URI Format].
  if (
    !isString(issuer) ||
    !/^[^:\p{Cc}]{1,64}$/u.test(issuer) ||
    issuer.trim() !== issuer
  )
    throw new StartError(
      `${name} must be 1 to 64 characters without a colon, a control character or surrounding spaces, but is ${shown(issuer)}`,
    );
  return issuer;
}
