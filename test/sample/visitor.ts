/** What a visitor sees. */
export interface SeenPage {
  status: number;
  headers: Headers;
  /** Where it sends the browser, `null` if it does not. */
  location: string | null;
  html: string;
}

/** A browser without pictures: keeps cookies, sends forms as one does, and stays where it is at a redirect. */
export class Visitor {
  private readonly cookies = new Map<string, string>();

  constructor(private readonly url: string) {}

  get sessionId(): string | undefined {
    return this.cookies.get('sid');
  }

  set sessionId(id: string) {
    this.cookies.set('sid', id);
  }

  get(path: string): Promise<SeenPage> {
    return this.request(path, {});
  }

  post(
    path: string,
    fields: Record<string, string> = {},
    headers: Record<string, string> = {},
  ): Promise<SeenPage> {
    return this.request(path, {
      method: 'POST',
      body: new URLSearchParams(fields),
      headers: { origin: this.url, ...headers },
    });
  }

  private async request(path: string, init: RequestInit): Promise<SeenPage> {
    const cookie = [...this.cookies].map((pair) => pair.join('=')).join('; ');
    const response = await fetch(this.url + path, {
      redirect: 'manual',
      ...init,
      // A connection that is kept would be one to the server before a restart.
      headers: { ...init.headers, cookie, connection: 'close' },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      this.cookies.set(name!, value!);
    }
    return {
      status: response.status,
      headers: response.headers,
      location: response.headers.get('location'),
      html: await response.text(),
    };
  }
}
