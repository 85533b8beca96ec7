import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock, HttpMount, HttpRequest, HttpResponse, Log } from '../../contract.ts';
import { RateLimit, RateLimits } from '../../kit/limits.ts';
import { Refusal, refuse, terminationOf } from '../../kit/refusal.ts';
import type { Metrics } from '../metrics.ts';
import type { ServerCertificate } from './certificate.ts';
import { LISTENER_LIMITS, Listener, type ListenerLimits, refuseRaw } from './listener.ts';
import { hostHeader, isLoopback, plainAddress, reachableHost, urlHost, withoutPort } from './names.ts';
import { PROBLEM_TYPE, problem, problemOf } from './problem.ts';
import { Routes } from './routes.ts';

/** A file of the page, served to GET. `path` as `/r/:room`. */
export interface Page {
  readonly path: string;
  readonly type: string;
  readonly body: string | Uint8Array;
}

export interface HttpLimits extends ListenerLimits {
  readonly requestsPerSecond: number;
  readonly requestBurst: number;
}

const HTTP_LIMITS: HttpLimits = { ...LISTENER_LIMITS, requestsPerSecond: 200, requestBurst: 1000 };

export interface HttpServerOptions {
  readonly address?: string | undefined;
  readonly httpsPort: number;
  readonly httpPort: number;
  readonly externalAddress?: string | undefined;
  readonly certificate: ServerCertificate;
  readonly pages: readonly Page[];
  readonly log: Log;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly limits?: Partial<HttpLimits>;
  /** Adds the API's routes (`mountApi`). */
  readonly api?: (app: FastifyInstance) => void;
}

type Handler = (r: HttpRequest) => Promise<HttpResponse>;

const MAX_BODY = 256 * 1024;
/** Served in the clear to everyone: probes and scrapers. */
const PLAIN_PATHS = new Set(['/healthz', '/readyz', '/metrics']);
const PAGE_HEADERS = {
  'cache-control': 'no-cache',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer', // invitations carry tokens in their URL
  'x-frame-options': 'SAMEORIGIN',
};

/** The one HTTP server: page, API, and what gateways mount. Routes may be added until it closes. */
export class HttpServer implements HttpMount {
  readonly bases: string[] = [];
  readonly #options: HttpServerOptions;
  readonly #app: FastifyInstance;
  readonly #listeners: Listener[];
  readonly #gateways = new Routes<Handler>();
  readonly #pages = new Routes<Page & { etag: string }>();
  readonly #known = new Routes<true>();
  readonly #upgrades = new Map<string, Parameters<HttpMount['upgrade']>[1]>();
  readonly #rate: RateLimits;
  readonly #certificateUsers = new Set<() => void>();
  #certificate: ServerCertificate;
  #httpsPort = 0;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#certificate = options.certificate;
    const limits = { ...HTTP_LIMITS, ...options.limits };
    this.#rate = new RateLimits(() => new RateLimit(limits.requestsPerSecond, limits.requestBurst));
    for (const page of options.pages) {
      const etag = `"${createHash('sha256').update(page.body).digest('base64url').slice(0, 22)}"`;
      this.#pages.add('GET', page.path, { ...page, etag });
    }
    this.#app = this.#fastify();
    const listener = {
      limits,
      onRequest: this.#app.routing,
      onUpgrade: this.#onUpgrade,
      count: (reason: string) => options.metrics.count('http', 'refused', reason),
    };
    this.#listeners = [
      new Listener({ ...listener, certificate: options.certificate }),
      new Listener(listener),
    ];
  }

  #fastify(): FastifyInstance {
    const app = Fastify({
      bodyLimit: 64 * 1024,
      routerOptions: { maxParamLength: 1024 },
      frameworkErrors: (error, _request, reply) => this.#fail(error, reply),
    });
    app.setErrorHandler((error, _request, reply) => this.#fail(error, reply));
    app.addHook('onRequest', async (request, reply) => this.#gate(request, reply));
    app.addHook('onResponse', async (request, reply) =>
      this.#options.metrics.request(request.method, reply.statusCode),
    );
    app.addHook('onRoute', route => {
      if (route.url === '*' || route.url === '/*') return;
      for (const method of [route.method].flat())
        if (method !== 'HEAD') this.#known.add(method, route.url, true);
    });
    this.#options.api?.(app);
    app.register(async rest => {
      rest.removeAllContentTypeParsers();
      rest.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: MAX_BODY }, (_r, body, done) =>
        done(null, body),
      );
      rest.all('/*', { bodyLimit: MAX_BODY, schema: { hide: true } }, (request, reply) =>
        this.#dispatch(request, reply),
      );
    });
    app.setNotFoundHandler((request, reply) => this.#dispatch(request, reply));
    return app;
  }

  /** Before anything is read of a request: rate, and what may travel in the clear. */
  #gate(request: FastifyRequest, reply: FastifyReply): FastifyReply | undefined {
    const address = plainAddress(request.socket.remoteAddress);
    if (!this.#rate.take(address, this.#options.clock.now())) {
      reply.header('retry-after', '1');
      throw refuse('client', 'too-many-requests', 'Too many requests from this address; wait a second.');
    }
    if ('encrypted' in request.socket || isLoopback(address)) return undefined;
    const path = pathOf(request.url);
    if (PLAIN_PATHS.has(path)) return undefined;
    if (path.startsWith('/api/'))
      throw refuse(
        'client',
        'https-required',
        `The API is served at ${this.#httpsBase(request.raw)}, not in the clear.`,
      );
    const isPage = this.#pages.match(path) !== undefined;
    if (!isPage || (request.method !== 'GET' && request.method !== 'HEAD')) return undefined;
    return reply.redirect(this.#httpsBase(request.raw) + request.url, 308);
  }

  #httpsBase(raw: IncomingMessage): string {
    const host = hostHeader(raw.headers.host);
    return host === undefined ? (this.bases[0] ?? '') : `https://${withoutPort(host)}:${this.#httpsPort}`;
  }

  async #dispatch(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const path = pathOf(request.url);
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const page = this.#pages.match(path);
    const found = page?.methods.get(method);
    if (found !== undefined) return sendPage(found, request, reply);
    const mounted = this.#gateways.match(path);
    const handler = mounted?.methods.get(method);
    if (mounted !== undefined && handler !== undefined) {
      const asked = this.#requestOf(request, mounted.params);
      // Pages of other origins use WHIP too: without this they could not read why they were refused.
      const answer = await handler(asked).catch((error: unknown) => {
        reply.header('access-control-allow-origin', '*');
        throw error;
      });
      return sendAnswer(answer, reply);
    }
    const allowed = [page, mounted, this.#known.match(path)].flatMap(m => [...(m?.methods.keys() ?? [])]);
    if (allowed.length === 0)
      throw refuse(
        'client',
        'not-found',
        path.startsWith('/api')
          ? 'The API has nothing here; /api/openapi.json says what it has.'
          : 'There is nothing here; the room page is at /r/<room>.',
      );
    reply.header('allow', [...new Set(allowed)].join(', '));
    throw refuse('client', 'method-not-allowed', `This address takes ${allowed.join(', ')} only.`);
  }

  #requestOf(request: FastifyRequest, params: Readonly<Record<string, string>>): HttpRequest {
    const headers: Record<string, string | undefined> = {};
    for (const [name, value] of Object.entries(request.headers))
      headers[name] = Array.isArray(value) ? value.join(', ') : value;
    const at = request.url.indexOf('?');
    const scheme = 'encrypted' in request.socket ? 'https' : 'http';
    const host = hostHeader(request.headers.host);
    return {
      method: request.method,
      params,
      query: new URLSearchParams(at < 0 ? '' : request.url.slice(at + 1)),
      headers,
      body: Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0),
      address: plainAddress(request.socket.remoteAddress),
      origin: host === undefined ? (this.bases[0] ?? '') : `${scheme}://${host}`,
    };
  }

  #fail(error: unknown, reply: FastifyReply): void {
    const { problem: body, bug } = problemOf(error);
    if (bug) this.#options.log.error({ err: error, path: pathOf(reply.request.url) }, 'a request failed');
    if (body.status === 401) reply.header('www-authenticate', 'Bearer');
    // RFC 9457 names no charset parameter; `type()` would add one.
    reply
      .code(body.status)
      .header('content-type', PROBLEM_TYPE)
      .send(Buffer.from(JSON.stringify(body)));
  }

  readonly #onUpgrade = (req: IncomingMessage, socket: Duplex, head: Buffer): void => {
    const address = plainAddress(req.socket.remoteAddress);
    const handler = this.#upgrades.get(pathOf(req.url ?? ''));
    const limited = !this.#rate.take(address, this.#options.clock.now());
    if (handler !== undefined && !limited && req.headers.upgrade?.toLowerCase() === 'websocket') {
      try {
        handler(req, socket, head);
      } catch (error) {
        if (!(error instanceof Refusal)) this.#options.log.error({ err: error }, 'an upgrade failed');
        refuseRaw(socket, error instanceof Refusal ? error : new Refusal(terminationOf(error)));
      }
      return;
    }
    const why = limited
      ? refuse('client', 'too-many-requests', 'Too many requests from this address; wait a second.')
      : notHere();
    this.#options.metrics.request(req.method ?? '', problem(why.why).status);
    refuseRaw(socket, why);
  };

  route(method: Parameters<HttpMount['route']>[0], path: string, handler: Handler): void {
    this.#gateways.add(method, path, handler);
  }

  upgrade(path: string, handler: Parameters<HttpMount['upgrade']>[1]): void {
    this.#upgrades.set(path, handler);
  }

  certificate(changed?: () => void): { readonly cert: string; readonly key: string } {
    if (changed !== undefined) this.#certificateUsers.add(changed);
    return this.#certificate;
  }

  /** Shows another certificate from now on; connections that stand keep theirs. */
  replaceCertificate(certificate: ServerCertificate): void {
    this.#certificate = certificate;
    for (const listener of this.#listeners) listener.certificate(certificate);
    for (const changed of this.#certificateUsers) changed();
  }

  /** Opens both ports; `bases` is filled then. Throws a Refusal when one cannot be had, with neither left open. */
  async listen(): Promise<void> {
    const { address, httpsPort, httpPort, externalAddress } = this.#options;
    await this.#app.ready();
    const [secure, plain] = this.#listeners as [Listener, Listener];
    try {
      this.#httpsPort = await secure.listen(httpsPort, address, 'http.httpsPort');
      const plainPort = await plain.listen(httpPort, address, 'http.httpPort');
      const host = urlHost(reachableHost(externalAddress, address));
      const local = address === undefined || address === '0.0.0.0' || address === '::' || isLoopback(address);
      this.bases.push(`https://${host}:${this.#httpsPort}`);
      if (local) this.bases.push(`https://localhost:${this.#httpsPort}`, `http://localhost:${plainPort}`);
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  /** Answers what is being asked, then ends every connection, upgraded ones too. Idempotent. */
  async close(graceMs = 1000): Promise<void> {
    await Promise.all(this.#listeners.map(l => l.close(graceMs)));
    await this.#app.close();
  }
}

const notHere = (): Refusal =>
  refuse('client', 'not-found', 'No WebSocket is served at this address; STOMP is at /stomp.');

const pathOf = (url: string): string => url.split('?', 1)[0] as string;

function sendPage(page: Page & { etag: string }, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.headers({ ...PAGE_HEADERS, etag: page.etag });
  if (request.headers['if-none-match'] === page.etag) return reply.code(304).send();
  return reply.type(page.type).send(asBuffer(page.body));
}

function sendAnswer(answer: HttpResponse, reply: FastifyReply): FastifyReply {
  reply.code(answer.status).headers({ ...answer.headers });
  return answer.body === undefined ? reply.send() : reply.send(asBuffer(answer.body));
}

const asBuffer = (body: string | Uint8Array): Buffer =>
  typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
