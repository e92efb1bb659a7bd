/**
 * Codes of errors after which a request was certainly not written: no address, no
 * connection, or no trust in the certificate.
 */
const NOT_CONNECTED =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|CERT_.*|.*_CERT|.*_CERT_.*|.*_SIGNATURE|ERR_TLS_.*|UNABLE_TO_.*)$/;

/** Whether an error, or its cause, says that nothing was sent. */
export function isNotConnected(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause)
    if (NOT_CONNECTED.test(String((one as NodeJS.ErrnoException).code)))
      return true;
  return false;
}
