import { domainToASCII } from 'node:url';

/**
 * The mailbox of an e-mail address, so that its spellings share one limit: case,
 * a `+tag` [RFC 5233] and the form of an international domain are ignored, and so
 * are dots at Gmail, which ignores them. At a provider that treats tags
 * differently, two people share a limit, never a code.
 */
export function mailboxOf(address: string): string {
  const lower = address.normalize('NFKC').toLowerCase();
  const at = lower.lastIndexOf('@');
  const written = lower.slice(at + 1);
  // Empty for what is no domain.
  const domain = domainToASCII(written) || written;
  const local = lower.slice(0, at).split('+', 1)[0]!;
  return domain === 'gmail.com' || domain === 'googlemail.com'
    ? `${local.replaceAll('.', '')}@gmail.com`
    : `${local}@${domain}`;
}
