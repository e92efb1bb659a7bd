/**
 * The mailbox behind an e-mail address, so that its spellings share one
 * allowance: case and a `+tag` do not count [RFC 5233], nor do dots at Gmail,
 * which ignores them. A provider that treats tags otherwise makes two people
 * share an allowance, never one code.
 */
export function mailboxOf(address: string): string {
  const lower = address.toLowerCase();
  const at = lower.lastIndexOf('@');
  const domain = lower.slice(at + 1);
  const local = lower.slice(0, at).split('+', 1)[0]!;
  return domain === 'gmail.com' || domain === 'googlemail.com'
    ? `${local.replaceAll('.', '')}@gmail.com`
    : `${local}@${domain}`;
}
