import { CONTRACT, defineGateway } from '../../src/contract.ts';
import { createStompAgent } from './agent.ts';
import { config } from './config.ts';

/** Signalling of browsers and mini-programs: who is there, who speaks, mute, text, tickets. No media. */
export default defineGateway({
  contract: CONTRACT,
  name: 'stomp',
  config,
  home: 'front', // it needs the HTTP server
  agent: createStompAgent,
});
