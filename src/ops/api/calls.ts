import { z } from 'zod';
import { type ApiApp, notFound } from './app.ts';
import type { ApiBackend } from './backend.ts';
import { callBody, callParams, callView, list, problemSchema, roomParams, trunkView } from './schemas.ts';

/** Calls out of rooms, and the lines they take. */
export function callRoutes(app: ApiApp, backend: ApiBackend): void {
  const tags = ['calls'];
  app.post(
    '/rooms/:room/calls',
    {
      schema: {
        tags,
        summary:
          'Calls someone into the room: a number a trunk takes, or an address that sip.dialOut.allow names.',
        params: roomParams,
        body: callBody,
        response: { 201: callView, 403: problemSchema },
      },
    },
    async ({ params: { room }, body: { timeoutS, ...ask } }, reply) => {
      const call = await backend.dial(room, {
        ...ask,
        ...(timeoutS !== undefined && { timeoutMs: timeoutS * 1000 }),
      });
      return reply
        .code(201)
        .header('location', `/api/v1/rooms/${encodeURIComponent(room)}/calls/${call.call}`)
        .send(call);
    },
  );
  app.get(
    '/rooms/:room/calls',
    {
      schema: {
        tags,
        summary: 'Calls out of this room, those that have ended lately too.',
        params: roomParams,
        response: { 200: list(callView) },
      },
    },
    ({ params: { room } }) => backend.callsOf(room),
  );
  app.get(
    '/rooms/:room/calls/:call',
    {
      schema: {
        tags,
        summary: 'One call out, every step with its SIP status.',
        params: callParams,
        response: { 200: callView, 404: problemSchema },
      },
    },
    async ({ params: { room, call } }) => {
      const found = (await backend.callsOf(room)).find(c => c.call === call);
      if (found === undefined) throw notFound('call', call);
      return found;
    },
  );
  app.delete(
    '/rooms/:room/calls/:call',
    {
      schema: {
        tags,
        summary: 'Withdraws a call that is not answered yet, hangs up one that is.',
        params: callParams,
        response: { 204: z.undefined().describe('Done.'), 404: problemSchema },
      },
    },
    async ({ params: { room, call } }, reply) => {
      const there = (await backend.callsOf(room)).some(c => c.call === call);
      if (!there || !(await backend.cancelCall(call))) throw notFound('call', call);
      return reply.code(204).send(undefined);
    },
  );
  app.get(
    '/trunks',
    {
      schema: {
        tags: ['trunks'],
        summary:
          'SIP trunks of the config: which proxies answer, which accounts are registered, and why not.',
        response: { 200: list(trunkView) },
      },
    },
    () => backend.trunks(),
  );
}
