import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { type Refusal, refuse } from '../../kit/refusal.ts';

/** A Fastify instance whose routes are described in zod. */
export type ApiApp = ReturnType<typeof typed>;
export const typed = (app: FastifyInstance) => app.withTypeProvider<ZodTypeProvider>();

export const notFound = (what: keyof typeof LISTS, id: string): Refusal =>
  refuse('client', `no-such-${what}`, `There is no ${what} ${id}; see GET ${LISTS[what]}.`);

/** Where those that there are can be read. */
const LISTS = {
  room: '/api/v1/rooms',
  participant: '/api/v1/rooms/{room}/participants',
  leg: '/api/v1/legs',
  agent: '/api/v1/agents',
  call: '/api/v1/rooms/{room}/calls',
  drill: '/api/v1/drills',
} as const;
