import { type ApiApp, notFound } from './app.ts';
import type { ApiBackend } from './backend.ts';
import {
  agentParams,
  agentView,
  ladderStep,
  legParams,
  legQuery,
  legView,
  list,
  problemSchema,
  switchBody,
} from './schemas.ts';

export function legRoutes(app: ApiApp, backend: ApiBackend): void {
  const tags = ['legs'];
  app.get(
    '/legs',
    {
      schema: {
        tags,
        summary:
          'Every leg of the system: codecs, what is done with each stream, loss, jitter, delay, quality.',
        querystring: legQuery,
        response: { 200: list(legView) },
      },
    },
    async ({ query: { room, limit } }) =>
      (await backend.legs()).filter(l => room === undefined || l.room === room).slice(0, limit),
  );
  app.get(
    '/legs/:leg',
    {
      schema: {
        tags,
        summary: 'One leg.',
        params: legParams,
        response: { 200: legView, 404: problemSchema },
      },
    },
    async ({ params: { leg } }) => {
      const found = await backend.leg(leg);
      if (found === undefined) throw notFound('leg', leg);
      return found;
    },
  );
  app.get(
    '/legs/:leg/ladder',
    {
      schema: {
        tags,
        summary: 'Every signalling step in time order, credentials masked.',
        params: legParams,
        response: { 200: list(ladderStep), 404: problemSchema },
      },
    },
    async ({ params: { leg } }) => {
      const found = await backend.ladder(leg);
      if (found === undefined) throw notFound('leg', leg);
      return found;
    },
  );
  agentRoutes(app, backend);
}

function agentRoutes(app: ApiApp, backend: ApiBackend): void {
  const tags = ['agents'];
  app.get(
    '/agents',
    {
      schema: {
        tags,
        summary:
          'Every agent alive, of every process: what it handles, how many legs it has, whether it takes more.',
        response: { 200: list(agentView) },
      },
    },
    () => backend.agents(),
  );
  app.post(
    '/agents/:agent/drain',
    {
      schema: {
        tags,
        summary:
          'Takes no new legs from now on; SIP calls move to another agent, where there is one, other legs go on. `{"on": false}`: it takes legs again.',
        params: agentParams,
        body: switchBody,
        response: { 202: agentView.pick({ agent: true, draining: true }), 404: problemSchema },
      },
    },
    async ({ params: { agent }, body }, reply) => {
      const draining = body?.on ?? true;
      if (!(await backend.drain(agent, draining))) throw notFound('agent', agent);
      return reply.code(202).send({ agent, draining });
    },
  );
  app.post(
    '/agents/:agent/out-of-service',
    {
      schema: {
        tags,
        summary:
          'Takes no new legs from now on and gets rid of those it has: SIP calls move to another agent, other legs, and calls that could not move within 10 s, are ended with a sentence. `{"on": false}`: back in service.',
        params: agentParams,
        body: switchBody,
        response: { 202: agentView.pick({ agent: true, outOfService: true }), 404: problemSchema },
      },
    },
    async ({ params: { agent }, body }, reply) => {
      const outOfService = body?.on ?? true;
      if (!(await backend.outOfService(agent, outOfService))) throw notFound('agent', agent);
      return reply.code(202).send({ agent, outOfService });
    },
  );
}
