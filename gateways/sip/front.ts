import { randomBytes, randomUUID } from 'node:crypto';
import type { Address, Front, Host, Termination } from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import { systemResolver } from '../../src/io/resolver.ts';
import { DigestServer } from '../../src/proto/sip/digest.ts';
import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { SipInput } from '../../src/proto/sip/events.ts';
import type { Flow } from '../../src/proto/sip/flow.ts';
import { EndpointSignalling } from '../../src/proto/sip/signalling.ts';
import type { DialogSnapshot } from '../../src/proto/sip/snapshot.ts';
import { Calls } from './calls.ts';
import type { SipConfig } from './config.ts';
import { DTMF_TYPES } from './front-dtmf.ts';
import { MEDIA_CONTROL } from './front-picture.ts';
import { Guard } from './guard.ts';
import { Listeners } from './listeners.ts';
import { OutgoingCalls } from './outgoing.ts';
import { reasonHeader } from './status.ts';
import type { CallInto } from './transfer.ts';
import { Inbound } from './trunks/inbound.ts';
import { createTrunks } from './trunks/open.ts';

const REALM = 'roombridge';
/** How long a polite end may take; then the sockets close. */
const FAREWELL_MS = 2000;
const RETRY_AFTER_S = 10;

/** SIP calls into rooms: sockets, whom they hear, the endpoint, and the calls on top. */
export function createSipFront(host: Host, config: SipConfig, resolver = systemResolver()): Front {
  const { clock } = host;
  const guard = new Guard(host, config);
  const digest = new DigestServer(REALM, randomBytes(32));
  const callInto: CallInto = ({ replaces, ...ask }, on) =>
    outgoing.dial({ call: randomUUID(), ...ask }, on, replaces);
  const calls: Calls = new Calls(
    host,
    config,
    digest,
    guard,
    { admit: (invite, now) => inbound.admit(invite, now) },
    { callInto: config.dialOut.transfers ? callInto : undefined, roomOf: call => outgoing.roomOf(call) },
  );
  let listeners: Listeners | undefined;
  let run: Drive<SipInput> | undefined;
  let closing: Promise<void> | undefined;

  const endpoint = new SipEndpoint({
    random: randomBytes,
    local: flow => listeners?.local(flow) ?? { host: host.advertisedAddress(flow.host), port: config.port },
    name: config.serverName,
    infoTypes: [...DTMF_TYPES, MEDIA_CONTROL],
    sessionExpiresS: config.sessionExpiresS,
    minSeS: config.minSeS,
    snapshots: true,
    maxCalls: config.maxLegs,
    newRequestsPerSecond: config.callsPerSecond,
    screen: (request, flow) => guard.screens(request.headers.get('user-agent') ?? '', flow, clock.now()),
  });
  const signalling: EndpointSignalling = new EndpointSignalling(input => run?.feed(input), {
    send: (flow, bytes) => listeners?.send(flow, bytes),
    hangUp: flow => listeners?.hangUp(flow),
    incoming: (invite, call) => calls.incoming(invite, call),
    message: (call, m) => outgoing.message(call, m) || calls.message(call, m),
    snapshot: (call, s) => void (outgoing.snapshot(call, s) || calls.snapshot(call, s)),
    count: (name, reason) => host.count(name, reason),
    malformed: flow => guard.fault(flow.host, 'malformed', clock.now()),
    bug: (call, error) => outgoing.bug(call, error) || calls.bug(call, error),
  });
  const trunks = createTrunks(config, { clock, log: host.log, signalling, resolver });
  const inbound = new Inbound(trunks, config, digest);
  const outgoing: OutgoingCalls = new OutgoingCalls(host, config, signalling, trunks);
  guard.alsoKnows(inbound.isSource);

  const wire = (type: 'datagram' | 'chunk', flow: Flow, bytes: Buffer): void => {
    const now = clock.now();
    if (!guard.admits(flow.host, now)) {
      if (flow.transport !== 'udp') listeners?.hangUp(flow);
    } else if (guard.hears(flow.host, now)) run?.feed({ type, flow, bytes });
  };

  async function start(): Promise<readonly Address[]> {
    listeners = await Listeners.open(host, config, {
      message: wire,
      closed: flow => run?.feed({ type: 'flow-closed', flow }),
      admits: address => guard.admits(address, clock.now()),
    });
    run = drive(endpoint, clock, out => signalling.act(out));
    trunks.start();
    return listeners.addresses;
  }

  async function close(why: Termination): Promise<void> {
    signalling.drain(RETRY_AFTER_S);
    const told = Promise.all([calls.closeAll(why), outgoing.closeAll(why), trunks.stop()]);
    let undo = (): void => {};
    const late = new Promise<void>(done => (undo = clock.at(clock.now() + FAREWELL_MS, done)));
    await Promise.race([told, late]);
    undo();
    run?.stop();
    await listeners?.close();
  }

  return {
    start,
    dial: (ask, on) => outgoing.dial(ask, on),
    trunks: () => trunks.states(),
    async execute(will, why) {
      await signalling.bury(will as unknown as DialogSnapshot, [reasonHeader(why)]);
    },
    close: why => (closing ??= close(why)),
  };
}
