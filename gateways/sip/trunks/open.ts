import { randomBytes } from 'node:crypto';
import { isIP } from 'node:net';
import type { Clock, Log } from '../../../src/contract.ts';
import type { Resolver } from '../../../src/io/resolver.ts';
import type { SipSignalling } from '../../../src/proto/sip/signalling.ts';
import type { SipConfig } from '../config.ts';
import { Asking } from './asking.ts';
import { Locations } from './locating.ts';
import type { TrunkParts } from './trunk.ts';
import { Trunks } from './trunks.ts';

export interface TrunksOutside {
  readonly clock: Clock;
  readonly log: Log;
  readonly signalling: Pick<SipSignalling, 'request' | 'keepAlive'>;
  readonly resolver: Resolver;
}

/** 0 ≤ x < 1. */
const random = (): number => randomBytes(4).readUInt32BE(0) / 2 ** 32;

/** What trunks share. */
export function trunkParts(config: SipConfig, o: TrunksOutside): TrunkParts {
  const { dialOut, tcp, address } = config;
  const options = {
    transports: tcp ? (['udp', 'tcp', 'tls'] as const) : (['udp', 'tls'] as const),
    families: address !== undefined && isIP(address) === 4 ? ([4] as const) : ([4, 6] as const),
    random,
  };
  const locations = new Locations(o.resolver, o.clock, options, dialOut.penaltyS * 1000);
  return {
    clock: o.clock,
    log: o.log,
    locations,
    asking: new Asking(o.signalling, locations, o.clock),
    tryNextAfterMs: dialOut.tryNextAfterS * 1000,
    random,
    keepAlive: (flow, everyMs) => o.signalling.keepAlive(flow, everyMs),
  };
}

/** The trunks of the config; nothing is sent before `start`. */
export const createTrunks = (config: SipConfig, o: TrunksOutside): Trunks =>
  new Trunks(config, trunkParts(config, o));
