import { z } from 'zod';
import { CONTRACT, defineGateway } from '../../src/contract.ts';
import { createEchoAgent } from './agent.ts';

const config = z.strictObject({
  maxLegs: z.number().int().positive().default(10).describe('Echo legs at the same time.'),
});

/** The smallest gateway: says into the room what it hears there. The template for new ones. */
export default defineGateway({
  contract: CONTRACT,
  name: 'echo',
  config,
  home: 'agent',
  agent: (host, slice) => createEchoAgent(host, slice.maxLegs),
});
