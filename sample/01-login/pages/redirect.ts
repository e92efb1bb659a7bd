/** Thrown by guards and handlers to send the browser to another page instead. */
export class Redirect extends Error {
  constructor(readonly path: string) {
    super(`Go to ${path}`);
  }
}
