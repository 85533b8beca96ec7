import { randomBytes } from 'node:crypto';
import type { Clock, Format, MediaPacket } from '../../src/contract.ts';
import { MediaPath } from '../../src/link/media-path.ts';
import type { Suite } from '../../src/proto/artp/keys.ts';
import { Session } from '../../src/proto/artp/session/session.ts';
import { type Route, SESSION_TIMES } from '../../src/proto/artp/session/types.ts';
import { type Bench, CALLS, cpuOf, type Figure } from './measure.ts';
import { rawForwardUs } from './raw.ts';

const PAYLOADS = [
  { what: '20 ms of G.711', bytes: 160 },
  { what: 'a packet of video', bytes: 1200 },
];

export const artp: Bench = {
  name: 'artp',
  about:
    'CPU to seal and to open one packet, of a link between processes and of a session of a native member; baseline: its raw node:dgram forward',
  async run({ note }) {
    const figures: Figure[] = [];
    for (const { what, bytes } of PAYLOADS) {
      note(what);
      const { seal, take, open } = link(bytes);
      const baseline = await rawForwardUs(bytes);
      for (let i = 0; i < CALLS; i++) seal();
      const ready = take();
      let next = 0;
      const cost = cpuOf({ seal, open: () => open(ready[next++] as Buffer) });
      figures.push(
        { what: `${what}: seal`, value: cost.seal, unit: 'µs', baseline },
        { what: `${what}: open`, value: cost.open, unit: 'µs', baseline },
      );
    }
    for (const suite of ['aes-128-gcm', 'sm4-gcm'] as const) {
      const { bytes } = PAYLOADS[1]!;
      note(`a session, ${suite}`);
      const baseline = await rawForwardUs(bytes);
      const { send, take, open } = session(bytes, suite);
      for (let i = 0; i < CALLS; i++) send();
      const ready = take();
      let next = 0;
      const cost = cpuOf({ send, open: () => open(ready[next++] as Buffer) });
      const goals = suite === 'aes-128-gcm' ? (['≤ 12 µs', '≤ 8 µs'] as const) : (['', ''] as const);
      const what = `a packet of video through a session, ${suite}`;
      figures.push(
        { what: `${what}: send`, value: cost.send, unit: 'µs', baseline, goal: goals[0] },
        { what: `${what}: open`, value: cost.open, unit: 'µs', baseline, goal: goals[1] },
      );
    }
    return figures;
  },
};

/** Two sessions that know each other, one way: from `OutTrack.sink` to the datagram, and from there to the listener. */
function session(bytes: number, suite: Suite) {
  const route: Route = { kind: 'udp', address: '192.0.2.1', port: 7100 };
  const ids = [Buffer.alloc(8, 1), Buffer.alloc(8, 2)] as const;
  const flying: { to: 'client' | 'server'; bytes: Buffer }[] = [];
  const sent: Buffer[] = [];
  let collect = false;
  let now = 0;
  let random = 0;
  const end = (side: 'client' | 'server'): Session =>
    new Session({
      side,
      secret: Buffer.alloc(32, 1),
      suite,
      ours: side === 'client' ? ids[0] : ids[1],
      theirs: side === 'client' ? ids[1] : ids[0],
      random: n => Buffer.alloc(n, ++random),
      times: SESSION_TIMES,
      budgetMs: 100,
      now,
      transmit: (datagram, length) => {
        if (collect) sent.push(Buffer.from(datagram.subarray(0, length)));
        else if (now === 0)
          flying.push({
            to: side === 'client' ? 'server' : 'client',
            bytes: Buffer.from(datagram.subarray(0, length)),
          });
      },
      count: reason => {
        throw new Error(reason);
      },
    });
  const ends = { client: end('client'), server: end('server') };
  const settle = (): void => {
    for (let d = flying.shift(); d !== undefined; d = flying.shift()) ends[d.to].receive(d.bytes, route, now);
  };
  ends.client.addRoute(route, now);
  settle();
  let heard = 0;
  ends.server.hear(1, () => void heard++);
  const track = ends.client.send(1, 'video', 90_000, () => {});
  const packet = pictures(bytes);
  const step = (): void => {
    packet.seq++;
    packet.pts += 1440;
    track.sink(packet, now);
  };
  // The first packet announces its flow, which the listener must hear before it is measured.
  step();
  ends.client.tick(now);
  settle();
  if (heard !== 1) throw new Error(`the listener heard ${heard} packets of one`);
  collect = true;
  return {
    /** At a rate that waits for nothing: 600 kbit/s. */
    send: (): void => {
      now += 16;
      step();
    },
    /** What was sent so far; from here on nothing is kept. */
    take: (): Buffer[] => {
      collect = false;
      return sent.splice(0);
    },
    open: (datagram: Buffer): void => ends.server.receive(datagram, route, now),
  };
}

/** Both ends of a link, the socket left out: from a publication's sink to the datagram, and from there to the room's. */
function link(bytes: number) {
  const ids = { client: Buffer.alloc(8, 1), server: Buffer.alloc(8, 2) };
  const flying: { to: MediaPath; bytes: Buffer }[] = [];
  const sent: Buffer[] = [];
  let collect = false;
  const end = (side: 'client' | 'server', other: () => MediaPath): MediaPath =>
    new MediaPath({
      clock,
      socket: {
        port: 0,
        sendErrors: 0,
        queued: () => 0,
        close() {},
        send(datagram, length) {
          if (collect) sent.push(Buffer.from(datagram.subarray(0, length)));
          else if (clock.now() === 0)
            flying.push({ to: other(), bytes: Buffer.from(datagram.subarray(0, length)) });
        },
      },
      secret: Buffer.alloc(32, 1),
      side,
      connection: ids[side],
      theirConnection: ids[side === 'client' ? 'server' : 'client'],
      random: randomBytes,
      count: reason => {
        throw new Error(reason);
      },
    });
  let now = 0;
  const clock: Clock = { now: () => now, at: () => () => {} };
  const client: MediaPath = end('client', () => server);
  const server: MediaPath = end('server', () => client);
  const address = '192.0.2.1';
  const settle = (): void => {
    for (let d = flying.shift(); d !== undefined; d = flying.shift()) d.to.receive(d.bytes, address, 7100, 0);
  };
  client.addRoute({ kind: 'udp', address, port: 7100 });
  settle();
  const format: Format = { codec: 'H264', clockRate: 90_000 };
  const flow = client.flow(format, start => server.bind(start, () => {}));
  const packet = pictures(bytes);
  collect = true;
  return {
    seal(): void {
      now += 16;
      packet.seq++;
      packet.pts += 1440;
      client.send(flow, packet);
    },
    /** What was sent so far; from here on nothing is kept. */
    take: (): Buffer[] => {
      collect = false;
      return sent.splice(0);
    },
    open: (datagram: Buffer): void => server.receive(datagram, address, 7100, now),
  };
}

const pictures = (bytes: number): MediaPacket => ({
  seq: 0,
  pts: 0,
  marker: false,
  payload: Buffer.alloc(bytes, 0x5a),
  frame: { start: true, end: false, key: false, config: false, temporal: 0 },
});
