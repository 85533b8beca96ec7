import type { FastifyInstance } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { type Refusal, refuse } from '../../kit/refusal.ts';

/** A Fastify instance whose routes are described in zod. */
export type ApiApp = ReturnType<typeof typed>;
export const typed = (app: FastifyInstance) => app.withTypeProvider<ZodTypeProvider>();

export const notFound = (
  what: 'room' | 'participant' | 'leg' | 'agent' | 'call' | 'drill',
  id: string,
): Refusal =>
  refuse('client', `no-such-${what}`, `There is no ${what} ${id}; see the list for those there are.`);
