/** One call of the GAuthify API, in wire terms. */
export interface WireCall {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the access point, percent-encoded, with its last slash: `users/jane/`. */
  path: string;
  /** By their names on the wire. `null` clears the value. */
  params?: Record<string, string | null>;
  /** The query string, without `?`; of no secret. */
  query?: string;
  /** Made on a connection of its own, new and outside the pool. */
  isApart?: true;
}

/** A path without whom it is about, for logs and metrics: `users/{unique_id}/`. */
export const templateOf = ({ path }: WireCall): string =>
  path.replace(/^users\/.+$/, 'users/{unique_id}/');
