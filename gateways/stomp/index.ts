import { z } from 'zod';
import { CONTRACT, defineGateway } from '../../src/contract.ts';
import { createStompAgent } from './agent.ts';

const config = z.strictObject({
  path: z.string().startsWith('/').default('/stomp').describe('WebSocket path on the HTTP server.'),
  maxLegs: z.number().int().positive().default(2000).describe('Signalling connections at the same time.'),
  maxPerAddress: z.number().int().positive().default(100).describe('Of these, from one address.'),
});

export type StompConfig = z.infer<typeof config>;

/** Signalling of browsers and mini-programs: who is there, who speaks, mute, text, tickets. No media. */
export default defineGateway({
  contract: CONTRACT,
  name: 'stomp',
  config,
  home: 'front', // it needs the HTTP server
  agent: createStompAgent,
});
