import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { HttpMount, HttpRequest, HttpResponse } from '../../src/contract.ts';
import { Refusal } from '../../src/kit/refusal.ts';

type Handler = (r: HttpRequest) => Promise<HttpResponse>;

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly address?: string;
}

/** An HTTP server as far as a gateway sees one: asked directly, or over a real socket for browsers. */
export class TestMount implements HttpMount {
  readonly bases: string[] = ['https://gw.test:8443'];
  readonly #routes: { method: string; words: string[]; handler: Handler }[] = [];
  #server: Server | undefined;

  route(method: string, path: string, handler: Handler): void {
    this.#routes.push({ method, words: path.split('/'), handler });
  }

  upgrade(): void {}

  /** What the handler answers or throws. */
  async ask(
    method: string,
    url: string,
    { headers = {}, body = '', address = '192.0.2.7' }: Ask = {},
  ): Promise<HttpResponse> {
    const { pathname, searchParams } = new URL(url, this.bases[0]);
    const words = pathname.split('/').map(decodeURIComponent);
    const found = this.#routes
      .filter(r => r.method === method && r.words.length === words.length)
      .find(r => r.words.every((w, i) => w.startsWith(':') || w === words[i]));
    if (found === undefined) return { status: 404 };
    const params = Object.fromEntries(
      found.words.flatMap((w, i) => (w.startsWith(':') ? [[w.slice(1), words[i]!]] : [])),
    );
    return await found.handler({
      method,
      params,
      query: searchParams,
      headers,
      body: Buffer.from(body),
      address,
      origin: this.bases[0]!,
    });
  }

  /** Serves the routes and one page on localhost, which browsers take for a secure place. Returns its address. */
  async listen(page: string): Promise<string> {
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', async () => {
        const headers = request.headers as Record<string, string>;
        const body = Buffer.concat(parts).toString();
        const ask = { headers, body, address: '127.0.0.1' };
        const answer: HttpResponse =
          request.url === '/'
            ? { status: 200, headers: { 'content-type': 'text/html' }, body: page }
            : await this.ask(request.method!, request.url!, ask).catch((error: unknown) => ({
                status: 400,
                body: error instanceof Refusal ? `${error.why.reason}: ${error.why.text}` : `${error}`,
              }));
        response.writeHead(answer.status, answer.headers).end(answer.body);
      });
    });
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    this.#server = server;
    return `http://localhost:${(server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}
