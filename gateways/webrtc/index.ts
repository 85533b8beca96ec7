import { CONTRACT, defineGateway } from '../../src/contract.ts';
import { createWebRtcAgent } from './agent.ts';
import { webrtcConfig } from './config.ts';
import { createWebRtcFront } from './front.ts';

/** Browsers, and everything else that speaks WHIP and WHEP. */
export default defineGateway({
  contract: CONTRACT,
  name: 'webrtc',
  config: webrtcConfig,
  home: 'agent',
  front: createWebRtcFront,
  agent: createWebRtcAgent,
});
