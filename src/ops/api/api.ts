import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { refuse } from '../../kit/refusal.ts';
import type { Access } from '../access.ts';
import { plainAddress } from '../http/names.ts';
import type { Metrics } from '../metrics.ts';
import { typed } from './app.ts';
import type { ApiBackend } from './backend.ts';
import { callRoutes } from './calls.ts';
import { withProblems } from './described.ts';
import { drillRoutes } from './drills.ts';
import { legRoutes } from './legs.ts';
import { pathRoutes } from './paths.ts';
import { roomRoutes } from './rooms.ts';

export interface ApiOptions {
  readonly backend: ApiBackend;
  readonly access: Access;
  readonly metrics: Metrics;
  readonly version: string;
  /** Unix ms. */
  readonly now: () => number;
}

/** Adds `/api/v1`, its description, and the probes to the server. */
export function mountApi(app: FastifyInstance, options: ApiOptions): void {
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Roombridge',
        version: options.version,
        description:
          'Rooms, participants, legs, calls, agents, drills and paths of the whole system, asked of any process with the role api. Every call needs the admin key as bearer token. Errors are RFC 9457 problems: a stable `type` to switch on, and in `detail` a sentence that says what happened and what to do.',
      },
      components: { securitySchemes: { adminKey: { type: 'http', scheme: 'bearer' } } },
    },
    transform: jsonSchemaTransform,
  });
  app.register(async scope => probes(scope, options));
  app.register(async scope => v1(scope, options), { prefix: '/api/v1' });
  app.register(async scope => {
    scope.get('/api/openapi.json', { schema: { hide: true } }, async () => scope.swagger());
  });
}

function v1(scope: FastifyInstance, { backend, access, now }: ApiOptions): void {
  scope.setValidatorCompiler(validatorCompiler);
  scope.setSerializerCompiler(serializerCompiler);
  scope.addHook('onRequest', async request => {
    access.admin(request.headers.authorization, plainAddress(request.socket.remoteAddress), now());
  });
  scope.addHook('onRoute', route => {
    const { response, ...schema } = (route.schema ?? {}) as { response?: Record<string, z.ZodType> };
    route.schema = { ...schema, response: withProblems(response), security: [{ adminKey: [] }] };
  });
  // Clients send `content-type: application/json` with a DELETE that has no body.
  const json = scope.getDefaultJsonParser('error', 'error');
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else json(request, body as string, done);
  });
  roomRoutes(typed(scope), backend);
  legRoutes(typed(scope), backend);
  callRoutes(typed(scope), backend);
  drillRoutes(typed(scope), backend);
  pathRoutes(typed(scope), backend);
}

/** For probes and scrapers: no key, and in the clear. */
function probes(scope: FastifyInstance, { backend, metrics }: ApiOptions): void {
  const app = typed(scope);
  app.setSerializerCompiler(serializerCompiler);
  const ok = z.object({ status: z.string() });
  app.get('/healthz', { schema: { summary: 'The process lives.', response: { 200: ok } } }, async () => ({
    status: 'ok',
  }));
  app.get('/readyz', { schema: { summary: 'New legs are welcome.', response: { 200: ok } } }, async () => {
    const { ready, why } = await backend.ready();
    if (!ready) throw refuse('server', 'not-ready', why ?? 'Roombridge is starting or shutting down.');
    return { status: 'ready' };
  });
  app.get('/metrics', { schema: { summary: 'Prometheus text.' } }, async (_request, reply) => {
    const text = await backend.metrics();
    return reply.type(metrics.contentType).send(text);
  });
}
