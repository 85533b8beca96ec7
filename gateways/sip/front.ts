import { randomBytes } from 'node:crypto';
import type { Address, Front, Host, Termination } from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { type Flow, type Flows, openFlows } from '../../src/io/flows.ts';
import { RateLimit, RateLimits } from '../../src/kit/limits.ts';
import { DigestServer } from '../../src/proto/sip/digest.ts';
import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { SipInput } from '../../src/proto/sip/events.ts';
import { EndpointSignalling } from '../../src/proto/sip/signalling.ts';
import { bracketed } from '../../src/proto/sip/write.ts';
import { Calls } from './calls.ts';
import type { SipConfig } from './config.ts';
import { DTMF_TYPES } from './front-dtmf.ts';
import { MEDIA_CONTROL } from './front-picture.ts';

const REALM = 'roombridge';
/** How long a polite end may take; then the sockets close. */
const FAREWELL_MS = 2000;
const RETRY_AFTER_S = 10;

/** SIP calls into rooms: sockets, endpoint, and the calls on top. */
export function createSipFront(host: Host, config: SipConfig): Front {
  const calls = new Calls(host, new DigestServer(REALM, randomBytes(32)));
  const perSecond = config.messagesPerSecond;
  const floods = new RateLimits(() => new RateLimit(perSecond, perSecond * 2));
  const advertised = cachedAddress(host);
  let flows: Flows | undefined;
  let run: Drive<SipInput> | undefined;
  let closing: Promise<void> | undefined;

  const endpoint = new SipEndpoint({
    random: randomBytes,
    local: flow => ({ host: advertised(flow.host), port: flows?.port ?? config.port }),
    name: config.serverName,
    infoTypes: [...DTMF_TYPES, MEDIA_CONTROL],
    maxCalls: config.maxLegs,
    newRequestsPerSecond: config.callsPerSecond,
  });
  const signalling = new EndpointSignalling(input => run?.feed(input), {
    send: (flow, bytes) => flows?.send(flow, bytes),
    hangUp: flow => flows?.hangUp(flow),
    incoming: (invite, call) => calls.incoming(invite, call),
    message: (call, m) => calls.message(call, m),
    count: (name, reason) => host.count(name, reason),
    bug: (call, error) => calls.bug(call, error),
  });

  const wire = (type: 'datagram' | 'chunk', flow: Flow, bytes: Buffer): void => {
    if (floods.take(flow.host, host.clock.now())) run?.feed({ type, flow, bytes });
    else host.count('dropped', 'flood');
  };

  async function start(): Promise<readonly Address[]> {
    const { address, port, tcp } = config;
    flows = await openFlows({ address, port, tcp, setting: 'sip.port' }, host.clock, {
      datagram: (flow, bytes) => wire('datagram', flow, bytes),
      chunk: (flow, bytes) => wire('chunk', flow, bytes),
      closed: flow => run?.feed({ type: 'flow-closed', flow }),
      junk: reason => host.count('dropped', reason),
    });
    run = drive(endpoint, host.clock, out => signalling.act(out));
    const where = `${bracketed(host.advertisedAddress())}:${flows.port}`;
    return [{ url: `sip:1000@${where}`, what: `SIP phones (udp${tcp ? ', tcp' : ''}), room 1000` }];
  }

  async function close(why: Termination): Promise<void> {
    signalling.drain(RETRY_AFTER_S);
    const told = calls.closeAll(why);
    let undo = (): void => {};
    const late = new Promise<void>(done => (undo = host.clock.at(host.clock.now() + FAREWELL_MS, done)));
    await Promise.race([told, late]);
    undo();
    run?.stop();
    await flows?.close();
  }

  return { start, close: why => (closing ??= close(why)) };
}

/** The host may look at every interface for each answer; phones come by the hundred from few addresses. */
function cachedAddress(host: Host): (peer: string) => string {
  const known = new Map<string, string>();
  let until = 0;
  return peer => {
    const now = host.clock.now();
    if (now >= until || known.size > 1000) {
      known.clear();
      until = now + 10_000;
    }
    let address = known.get(peer);
    if (address === undefined) known.set(peer, (address = host.advertisedAddress(peer)));
    return address;
  };
}
