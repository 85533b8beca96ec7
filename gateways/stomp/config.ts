import { z } from 'zod';

export const config = z.strictObject({
  path: z.string().startsWith('/').default('/stomp').describe('WebSocket path on the HTTP server.'),
  maxLegs: z.number().int().positive().default(2000).describe('Signalling connections at the same time.'),
  maxPerAddress: z.number().int().positive().default(100).describe('Of these, from one address.'),
});

export type StompConfig = z.infer<typeof config>;
