import { CONTRACT, defineGateway } from '../../src/contract.ts';
import { createRtmpAgent } from './agent.ts';
import { rtmpConfig } from './config.ts';

/** RTMP publishers and players: mini-programs, OBS, ffmpeg. */
export default defineGateway({
  contract: CONTRACT,
  name: 'rtmp',
  config: rtmpConfig,
  home: 'agent',
  agent: createRtmpAgent,
});
