/** The server cannot start. The message is one sentence for whoever starts it: what is wrong, in which value. */
export class StartError extends Error {
  override name = 'StartError';
}
