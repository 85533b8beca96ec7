import { CONTRACT, defineGateway } from '../../src/contract.ts';
import { NativeAgent } from './agent.ts';
import { nativeConfig } from './config.ts';

/** Members over aRTP: their own client library, or any that speaks it. */
export default defineGateway({
  contract: CONTRACT,
  name: 'native',
  config: nativeConfig,
  home: 'agent',
  agent: (host, config, id) => new NativeAgent(host, config, id),
});
