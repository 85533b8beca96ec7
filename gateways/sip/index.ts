import { CONTRACT, defineGateway } from '../../src/contract.ts';
import { createSipAgent } from './agent.ts';
import { sipConfig } from './config.ts';
import { createSipFront } from './front.ts';
import { checkTrunks } from './trunks/check.ts';

/** SIP phones and room systems: front (signalling) and agent (RTP). */
export default defineGateway({
  contract: CONTRACT,
  name: 'sip',
  config: sipConfig,
  home: 'agent',
  front: (host, config) => createSipFront(host, config),
  agent: createSipAgent,
  check: (config, clock) => checkTrunks(config, clock),
});
