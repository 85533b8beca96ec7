import { randomBytes } from 'node:crypto';
import type { Host } from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { SipInput } from '../../src/proto/sip/events.ts';
import type { Flow } from '../../src/proto/sip/flow.ts';
import { EndpointSignalling } from '../../src/proto/sip/signalling.ts';
import type { BackendOn, SipBackend } from './backend.ts';
import type { SipConfig } from './config.ts';
import type { Guard } from './guard.ts';
import { Listeners } from './listeners.ts';

/** The endpoint of `src/proto/sip` on sockets of this process, behind the guard. */
export function ownStack(
  host: Host,
  config: SipConfig,
  infoTypes: readonly string[],
  guard: Guard,
  on: BackendOn,
): SipBackend {
  const { clock } = host;
  let listeners: Listeners | undefined;
  let run: Drive<SipInput> | undefined;

  const endpoint = new SipEndpoint({
    random: pooled(),
    local: flow => listeners?.local(flow) ?? { host: host.advertisedAddress(flow.host), port: config.port },
    name: config.serverName,
    infoTypes,
    messages: true,
    writer: on.writer,
    sessionExpiresS: config.sessionExpiresS,
    minSeS: config.minSeS,
    snapshots: true,
    maxCalls: config.maxLegs,
    newRequestsPerSecond: config.callsPerSecond,
    screen: (request, flow) => guard.screens(request.headers.get('user-agent') ?? '', flow, clock.now()),
  });
  const signalling = new EndpointSignalling(input => run?.feed(input), {
    ...on,
    send: (flow, bytes) => listeners?.send(flow, bytes),
    hangUp: flow => listeners?.hangUp(flow),
    malformed: flow => guard.fault(flow.host, 'malformed', clock.now()),
  });

  const wire = (type: 'datagram' | 'chunk', flow: Flow, bytes: Buffer): void => {
    const now = clock.now();
    if (!guard.admits(flow.host, now)) {
      if (flow.transport !== 'udp') listeners?.hangUp(flow);
    } else if (guard.hears(flow.host, now)) run?.feed({ type, flow, bytes });
  };

  return {
    signalling,
    async start() {
      listeners = await Listeners.open(host, config, {
        message: wire,
        closed: flow => run?.feed({ type: 'flow-closed', flow }),
        admits: address => guard.admits(address, clock.now()),
      });
      run = drive(endpoint, clock, out => signalling.act(out));
      return listeners.addresses;
    },
    async close() {
      run?.stop();
      await listeners?.close();
    },
  };
}

const POOL_BYTES = 4096;

/** Random bytes by the page: a call needs a dozen tags and branches, and asking the system costs more than they do. */
function pooled(): (bytes: number) => Buffer {
  let pool = Buffer.alloc(0);
  return bytes => {
    if (bytes > POOL_BYTES) return randomBytes(bytes);
    if (pool.length < bytes) pool = randomBytes(POOL_BYTES);
    const taken = pool.subarray(0, bytes);
    pool = pool.subarray(bytes);
    return taken;
  };
}
