import { z } from 'zod';
import { IMPAIRMENT_WORDS, readImpairment } from '../../kit/impairment-words.ts';
import { refuse } from '../../kit/refusal.ts';
import { type ApiApp, notFound } from './app.ts';
import type { ApiBackend } from './backend.ts';
import { list, problemSchema } from './schemas.ts';

/** Longest drill: nobody forgets one. */
const MAX_SECONDS = 600;
const DEFAULT_SECONDS = 60;

const words = z.strictObject(
  Object.fromEntries(
    Object.entries(IMPAIRMENT_WORDS).map(([word, { value, does }]) => [
      word,
      z.string().max(200).optional().describe(`${does} Such as \`${value}\`.`),
    ]),
  ),
);
const direction = z.enum(['both', 'to-member', 'from-member']).describe('Which way is impaired.');
const drillParams = z.object({ drill: z.string().min(1).max(128).describe('Id of a drill.') });

const drillBody = z
  .strictObject({
    room: z.string().min(1).max(128).optional().describe('All legs of this room, those that come later too.'),
    leg: z.string().min(1).max(128).optional().describe('Only this leg. One of room and leg.'),
    seconds: z
      .int()
      .min(1)
      .max(MAX_SECONDS)
      .default(DEFAULT_SECONDS)
      .describe('It ends by itself after that.'),
    direction: direction.default('both'),
    impairment: words.describe('At least one.'),
  })
  .meta({ examples: [{ room: '1000', seconds: 60, impairment: { loss: '30%', delay: '100ms' } }] });

const drillView = z
  .object({
    drill: z.string(),
    room: z.string(),
    leg: z.string().optional(),
    impairment: z.record(z.string(), z.string()).readonly(),
    direction,
    startedAt: z.number().describe('Unix ms.'),
    endsAt: z.number().describe('Unix ms.'),
    legs: list(
      z.object({
        leg: z.string(),
        gateway: z.string(),
        participant: z.string(),
        impaired: z.boolean(),
        text: z.string().optional().describe('Why it is not.'),
      }),
    ),
  })
  .meta({
    examples: [
      {
        drill: 'drill-87b404903004',
        room: '1000',
        impairment: { loss: '30%', delay: '100ms' },
        direction: 'both',
        startedAt: 1795187530474,
        endsAt: 1795187590474,
        legs: [
          { leg: 'sip-ece11e41', gateway: 'sip', participant: 'alice', impaired: true },
          {
            leg: 'rtmp-30d1f1c5',
            gateway: 'rtmp',
            participant: 'bob',
            impaired: false,
            text: 'Media of rtmp legs does not travel in datagrams of ours, so a drill cannot impair it.',
          },
        ],
      },
    ],
  });

/** Bad networks on purpose: everyone in the room is told, and each ends by itself. */
export function drillRoutes(app: ApiApp, backend: ApiBackend): void {
  const tags = ['drills'];
  app.post(
    '/drills',
    {
      schema: {
        tags,
        summary: 'Impairs the media of a room, or of one leg, for a while. Everyone in the room is told.',
        body: drillBody,
        response: { 201: drillView, 404: problemSchema, 409: problemSchema },
      },
    },
    async ({ body: { room, leg, impairment, ...rest } }, reply) => {
      if ((room === undefined) === (leg === undefined))
        throw refuse('client', 'bad-request', 'A drill needs a room or a leg, and not both.');
      const given = Object.entries(impairment).filter((w): w is [string, string] => w[1] !== undefined);
      if (given.length === 0)
        throw refuse(
          'client',
          'bad-impairment',
          'A drill needs something to impair: loss 30%, delay 100ms ….',
        );
      const made = await backend.drill({
        ...(room !== undefined && { room }),
        ...(leg !== undefined && { leg }),
        impairment: readImpairment(Object.fromEntries(given)),
        ...rest,
      });
      return reply.code(201).header('location', `/api/v1/drills/${made.drill}`).send(made);
    },
  );
  app.get(
    '/drills',
    { schema: { tags, summary: 'Drills that run now.', response: { 200: list(drillView) } } },
    () => backend.drills(),
  );
  app.get(
    '/drills/:drill',
    {
      schema: {
        tags,
        summary: 'One drill that runs now.',
        params: drillParams,
        response: { 200: drillView, 404: problemSchema },
      },
    },
    async ({ params: { drill } }) => {
      const found = (await backend.drills()).find(d => d.drill === drill);
      if (found === undefined) throw notFound('drill', drill);
      return found;
    },
  );
  app.delete(
    '/drills/:drill',
    {
      schema: {
        tags,
        summary: 'Ends it at once.',
        params: drillParams,
        response: { 204: z.undefined().describe('Done.'), 404: problemSchema },
      },
    },
    async ({ params: { drill } }, reply) => {
      if (!(await backend.stopDrill(drill))) throw notFound('drill', drill);
      return reply.code(204).send(undefined);
    },
  );
}
