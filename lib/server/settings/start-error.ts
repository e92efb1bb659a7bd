/** What an operator can correct. The message is one sentence that names the wrong value and what is wrong with it. */
export class StartError extends Error {
  override name = 'StartError';
}
