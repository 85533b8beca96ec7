import { z } from 'zod';
import type { ApiApp } from './app.ts';
import type { ApiBackend } from './backend.ts';
import { list } from './schemas.ts';

const router = z.object({ process: z.string(), region: z.string() });

const pathView = z.object({
  via: z.string().optional().describe('Process of the router between; absent: the direct path.'),
  use: z
    .enum(['chosen', 'standby', 'none'])
    .describe('Traffic takes it, it is kept hot beside that, or neither.'),
  state: z.enum(['alive', 'doubt', 'dead']),
  rttMs: z.number().optional().describe('Round trip of its probes.'),
  oneWayMs: z.number().optional().describe('In this direction, reckoned.'),
  lossPercent: z.number().describe('Of the last 10 s.'),
  score: z.number().describe('How a call would sound with the best policy for it, 1 to 4.5.'),
  correlation: z.number().describe('How much its losses are those of the chosen path, -1 to 1.'),
});

const pairView = z
  .object({
    from: router,
    to: router,
    paths: list(pathView),
    switchesLastHour: z.int(),
    text: z.string().describe('The same as a sentence.'),
  })
  .meta({
    examples: [
      {
        from: { process: 'a71dfed10ed1', region: 'eu' },
        to: { process: 'ef73e8f29410', region: 'asia' },
        paths: [
          {
            use: 'standby',
            state: 'alive',
            rttMs: 304,
            oneWayMs: 152,
            lossPercent: 0,
            score: 3.9,
            correlation: 0,
          },
          {
            via: '5ddb30e8dbe9',
            use: 'chosen',
            state: 'alive',
            rttMs: 62,
            oneWayMs: 31,
            lossPercent: 0,
            score: 4.3,
            correlation: 1,
          },
        ],
        switchesLastHour: 1,
        text: 'To router ef73e8f29410 in asia traffic goes by router 5ddb30e8dbe9 (31 ms one way, 0 % lost, score 4.3).',
      },
    ],
  });

export function pathRoutes(app: ApiApp, backend: ApiBackend): void {
  app.get(
    '/paths',
    {
      schema: {
        tags: ['paths'],
        summary: 'Every pair of routers, each direction: its paths, which is taken, which stands by.',
        response: { 200: list(pairView) },
      },
    },
    () => backend.paths(),
  );
}
