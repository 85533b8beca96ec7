/**
 * The forward path as it is wired: the media of two legs of the SIP gateway and a room between them.
 * ```
 * UDP ► gate, latch ► RtpReceiver ► level ► TrackFlow ► egress, passthrough ► RtpSender ► UDP
 * ```
 * A phone itself asks for the mix; the second leg's want is that of a browser (`loudest`), so that packets pass
 * untouched. Argument: the port to send to, and the one that sends. Tells its own port.
 */

import { randomBytes } from 'node:crypto';
import { openLevelMeter } from '../../codecs/audio.ts';
import { AudioMedia, type MediaOptions } from '../../gateways/sip/media.ts';
import type { Format, LegRequest } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { UdpPorts } from '../../src/io/udp.ts';
import { LocalRoom } from '../../src/node/local-room.ts';
import { Seats } from '../../src/node/seats.ts';
import { Ticker } from '../../src/node/ticker.ts';
import { makeIdentity } from '../../src/proto/dtls/identity.ts';
import type { AudioPlan } from '../../src/proto/sdp/audio.ts';
import { Bans } from '../../src/room/bans.ts';
import { silentLog } from '../harness/fakes.ts';

const [to, from] = process.argv.slice(2).map(Number) as [number, number];
const format: Format = { codec: 'PCMU', clockRate: 8000 };
const clock = systemClock;
const ports = new UdpPorts({ min: 0, max: 0, address: '127.0.0.1', clock });

const room = new LocalRoom({
  id: '1000',
  settings: { maxParticipants: 10, locked: false, layout: 'speaker' },
  times: { sessionKeepMs: 0, banMs: 0 },
  bans: new Bans(),
  clock,
  secret: () => randomBytes(16).toString('base64url'),
  onEnded() {},
  onEvent() {},
});
const seats = new Seats({
  clock,
  ticker: new Ticker(clock, fail),
  log: silentLog,
  count() {},
  find: async () => room,
});

const request = (user: string): LegRequest => ({
  v: 1,
  leg: user,
  trace: user,
  gateway: 'sip',
  direction: 'in',
  who: { user, proof: 'claimed' },
  room: '1000',
  roles: ['send', 'receive'],
  begin: { type: 'make-offer' },
});

const options: MediaOptions = {
  line: {
    clock,
    ports,
    family: 4,
    signalling: '127.0.0.1',
    random: randomBytes,
    cname: 'bench',
    unixAtZero: 0,
    count: fail,
    identity: makeIdentity(randomBytes(8), Date.now()),
    unprotected: fail,
    successor: false,
    failed: fail,
  },
  on: { state() {}, key() {}, format() {}, clock() {}, timeOf: () => undefined },
};

const plan = (remote: number): AudioPlan => ({
  index: 0,
  peer: 'sendrecv',
  direction: 'sendrecv',
  send: { payloadType: 0, format, ptimeMs: 20 },
  receive: new Map([[0, format]]),
  events: new Map(),
  sendEvents: undefined,
  remote: { address: '127.0.0.1', port: remote },
  remoteRtcp: { address: '127.0.0.1', port: remote + 1 },
  mux: false,
  keying: { type: 'none' },
});

function fail(why: unknown): never {
  throw new Error(`the forward path dropped a packet: ${String(why)}`);
}

const meters = new Map([['PCMU', await openLevelMeter(format)]]);
const [speaker, listener] = [
  await seats.take(request('speaker'), () => {}),
  await seats.take(request('listener'), () => {}),
];
const incoming = await AudioMedia.open(options);
const outgoing = await AudioMedia.open(options);
const track = speaker.seat.publish(
  { source: 'mic', format, canKeyframe: false, syncGroup: 'speaker' },
  () => {},
);
speaker.seat.confirmed();
listener.seat.confirmed();
incoming.agreed(plan(from), false, meters, (packet, now) => track.sink(packet, now));
outgoing.agreed(plan(to), false, meters, () => {});
listener.seat.want({ kind: 'loudest', slot: 0, of: 1, accept: [format] }, outgoing.play, e => {
  if (e.type === 'serving') {
    outgoing.switched();
    process.send?.({ ports: [incoming.port], how: e.how });
  }
});
