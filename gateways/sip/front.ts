import { randomBytes, randomUUID } from 'node:crypto';
import type { Address, Front, Host, Termination } from '../../src/contract.ts';
import { systemResolver } from '../../src/io/resolver.ts';
import { DigestServer } from '../../src/proto/sip/digest.ts';
import type { DialogSnapshot } from '../../src/proto/sip/snapshot.ts';
import type { BackendOn, SipBackend } from './backend.ts';
import { Calls } from './calls.ts';
import type { SipConfig } from './config.ts';
import { drachtioBackend } from './drachtio/backend.ts';
import { DTMF_TYPES } from './front-dtmf.ts';
import { MEDIA_CONTROL } from './front-picture.ts';
import { TextWriters } from './front-writers.ts';
import { Guard } from './guard.ts';
import { OutgoingCalls } from './outgoing.ts';
import { ownStack } from './own-stack.ts';
import { reasonHeader } from './status.ts';
import type { CallInto } from './transfer.ts';
import { Inbound } from './trunks/inbound.ts';
import { createTrunks } from './trunks/open.ts';

const REALM = 'roombridge';
/** How long a polite end may take; then the sockets close. */
const FAREWELL_MS = 2000;
const RETRY_AFTER_S = 10;

/** SIP calls into rooms: a backend that speaks it, whom it hears, and the calls on top. */
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
  const writers = new TextWriters(host, digest, guard, call => calls.proofOf(call) ?? outgoing.proofOf(call));
  let closing: Promise<void> | undefined;

  const infoTypes = [...DTMF_TYPES, MEDIA_CONTROL];
  const on: BackendOn = {
    incoming: (invite, call) => calls.incoming(invite, call),
    writer: writers.of,
    message: (call, m) => outgoing.message(call, m) || calls.message(call, m),
    snapshot: (call, s) => void (outgoing.snapshot(call, s) || calls.snapshot(call, s)),
    count: (name, reason) => host.count(name, reason),
    bug: (call, error) => outgoing.bug(call, error) || calls.bug(call, error),
  };
  const backend: SipBackend =
    config.backend === 'drachtio'
      ? drachtioBackend(host, config, infoTypes, on)
      : ownStack(host, config, infoTypes, guard, on);
  const { signalling } = backend;
  const trunks = createTrunks(config, { clock, log: host.log, signalling, resolver });
  const inbound = new Inbound(trunks, config, digest);
  const outgoing: OutgoingCalls = new OutgoingCalls(host, config, signalling, trunks);
  guard.alsoKnows(inbound.isSource);

  async function start(): Promise<readonly Address[]> {
    const addresses = await backend.start();
    trunks.start();
    return addresses;
  }

  async function close(why: Termination): Promise<void> {
    signalling.drain(RETRY_AFTER_S);
    const told = Promise.all([calls.closeAll(why), outgoing.closeAll(why), trunks.stop()]);
    let undo = (): void => {};
    const late = new Promise<void>(done => (undo = clock.at(clock.now() + FAREWELL_MS, done)));
    await Promise.race([told, late]);
    undo();
    await backend.close();
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
