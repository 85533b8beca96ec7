import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/harness/link.ts';
import type { Format, MediaPacket } from '../contract.ts';
import type { UdpSocket } from '../io/udp.ts';
import { Drops } from '../kit/limits.ts';
import { seededRandom } from '../kit/random.ts';
import { isRtcp } from '../proto/rtp/rtp.ts';
import { type FlowStart, MediaPath } from './media-path.ts';

const sound: Format = { codec: 'PCMU', clockRate: 8000 };
const picture: Format = { codec: 'H264', clockRate: 90_000 };

interface Datagram {
  readonly from: 'client' | 'server';
  readonly bytes: Buffer;
  readonly port: number;
}

/** Two ends of a link and a network of addresses between them: nothing moves until `deliver`. */
function ends() {
  const clock = new ManualClock();
  const secret = randomBytes(32);
  const drops = new Drops();
  const wire: Datagram[] = [];
  let queued = 0;
  /** Where the client is seen from: changes when its NAT forgets it. */
  let clientPort = 5000;
  const ids = { client: Buffer.alloc(8, 1), server: Buffer.alloc(8, 2) };
  const end = (from: 'client' | 'server'): MediaPath => {
    const socket: UdpSocket = {
      port: 0,
      sendErrors: 0,
      send: (bytes, length, port) =>
        void wire.push({ from, bytes: Buffer.from(bytes.subarray(0, length)), port }),
      queued: () => queued,
      close() {},
    };
    return new MediaPath({
      clock,
      socket,
      secret,
      side: from,
      connection: ids[from],
      theirConnection: ids[from === 'client' ? 'server' : 'client'],
      random: randomBytes,
      count: reason => drops.count(reason),
    });
  };
  const client = end('client');
  const server = end('server');
  const world = {
    clock,
    drops,
    wire,
    client,
    server,
    moveClient: (port: number) => void (clientPort = port),
    queue: (n: number) => void (queued = n),
    /** What leaves as media, in order. */
    media: () => wire.filter(d => !isRtcp(d.bytes)),
    /** Hands over what is under way; datagrams to an address where nobody is any more are lost. */
    deliver(lost: (d: Datagram) => boolean = () => false, enough: () => boolean = () => false) {
      while (wire.length > 0 && !enough()) {
        const d = wire.shift()!;
        if (lost(d)) continue;
        if (d.from === 'client') server.receive(d.bytes, '192.0.2.1', clientPort, clock.now());
        else if (d.port === clientPort) client.receive(d.bytes, '192.0.2.9', 7100, clock.now());
      }
    },
    run(ms: number, lost?: (d: Datagram) => boolean) {
      for (let i = 0; i < ms; i += 5) {
        clock.advance(5);
        world.deliver(lost);
      }
    },
    meet() {
      client.addRoute({ kind: 'udp', address: '192.0.2.9', port: 7100 });
      world.deliver();
    },
  };
  return world;
}
const packet = (seq: number): MediaPacket => ({
  seq,
  pts: seq * 160,
  marker: false,
  payload: Buffer.alloc(20, seq),
});

describe('a path', () => {
  it('carries nothing until a challenge was answered, then both ways', async () => {
    const e = ends();
    const heard: number[] = [];
    const up = e.client.flow(sound, s => e.server.bind(s, p => void heard.push(p.seq)));
    e.client.send(up, packet(1));
    expect(e.drops.get('no-path')).toBe(1);
    e.client.addRoute({ kind: 'udp', address: '192.0.2.9', port: 7100 });
    e.clock.advance(40);
    e.deliver(undefined, () => e.client.rttMs !== undefined);
    expect(e.client.rttMs).toBe(40);
    e.deliver();
    await e.client.found;
    await e.server.found;
    e.client.send(up, packet(2));
    const down = e.server.flow(picture, s => e.client.bind(s, p => void heard.push(-p.seq)));
    e.server.send(down, packet(3));
    e.deliver();
    expect(heard).toEqual([2, -3]);
  });

  it('follows the other side to a new address once it answers there, and not before', () => {
    const e = ends();
    e.meet();
    const heard: number[] = [];
    const down = e.server.flow(sound, s => e.client.bind(s, p => void heard.push(p.seq)));
    e.run(500);
    e.moveClient(6000);
    e.server.send(down, packet(1)); // to where it was
    e.deliver();
    expect(heard).toEqual([]);
    while (!e.wire.some(d => d.from === 'client')) e.clock.advance(5);
    const probe = e.wire.find(d => d.from === 'client')!;
    e.wire.length = 0;
    e.server.receive(probe.bytes, '192.0.2.1', 6000, e.clock.now());
    // Answered and challenged, with at most three times the bytes that came; media still goes the old way.
    const answers = e.wire.filter(d => d.port === 6000);
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.reduce((n, d) => n + d.bytes.length, 0)).toBeLessThanOrEqual(3 * probe.bytes.length);
    e.server.send(down, packet(2));
    expect(e.media().map(d => d.port)).toEqual([5000]);
    e.run(3000);
    e.server.send(down, packet(3));
    e.deliver();
    expect(heard).toEqual([3]);
  });

  it('is not moved by an answer nobody asked for, or from elsewhere', () => {
    const e = ends();
    e.client.addRoute({ kind: 'udp', address: '192.0.2.9', port: 7100 });
    const challenge = e.wire.shift()!;
    e.server.receive(challenge.bytes, '192.0.2.1', 5000, e.clock.now());
    const [response] = e.wire.splice(0);
    e.client.receive(response!.bytes, '203.0.113.7', 7100, e.clock.now());
    expect(e.drops.get('unknown-route')).toBe(1);
    expect(e.client.rttMs).toBeUndefined();
    e.client.receive(response!.bytes, '192.0.2.9', 7100, e.clock.now());
    e.client.receive(response!.bytes, '192.0.2.9', 7100, e.clock.now());
    expect(e.drops.get('replayed')).toBe(1);
    const up = e.client.flow(sound, () => {});
    e.client.send(up, packet(1));
    expect(e.media().map(d => d.port)).toEqual([7100]);
  });

  it('drops rather than queues when the network takes no more', () => {
    const e = ends();
    e.meet();
    const up = e.client.flow(sound, s => e.server.bind(s, () => {}));
    e.queue(5000);
    e.client.send(up, packet(1));
    expect(e.media()).toEqual([]);
    expect(e.drops.get('send-queue-full')).toBe(1);
  });

  it('tells apart what was sent before another format, on both sides', () => {
    const e = ends();
    e.meet();
    const heard: number[] = [];
    const starts: FlowStart[] = [];
    const up = e.client.flow(sound, s => void starts.push(s));
    e.client.send(up, packet(1));
    const late = e.media()[0]!;
    e.server.bind(starts[0]!, p => void heard.push(p.seq));
    up.renew(picture);
    e.client.send(up, packet(2));
    e.server.unbind(starts[0]!.ssrc);
    e.server.bind(starts[1]!, p => void heard.push(p.seq));
    e.deliver();
    expect(late).toBeDefined();
    expect(heard).toEqual([2]);
    expect(e.drops.get('late')).toBe(1);
    expect(starts.map(s => [s.kind, s.clockRate])).toEqual([
      ['audio', 8000],
      ['video', 90_000],
    ]);
    expect(starts[1]!.ssrc).toBeGreaterThan(starts[0]!.ssrc);
  });

  it('is silent when nothing answers any more, and never by its own sleep', () => {
    const e = ends();
    e.meet();
    const tick = (seconds: number, lost: boolean): void => {
      for (let i = 0; i < seconds; i++) {
        e.run(1000, () => lost);
        e.client.tick();
        e.server.tick();
      }
    };
    tick(30, false);
    expect([e.client.silentTicks, e.server.silentTicks]).toEqual([0, 0]);
    e.clock.advance(600_000); // a laptop's lid
    tick(3, false);
    expect([e.client.silentTicks, e.server.silentTicks]).toEqual([0, 0]);
    tick(20, true);
    expect(e.client.silentTicks).toBeGreaterThan(10);
    expect(e.server.silentTicks).toBeGreaterThan(10);
    tick(3, false);
    expect([e.client.silentTicks, e.server.silentTicks]).toEqual([0, 0]);
  });

  it('carries many tracks through loss both ways: sound by redundancy, pictures whole, and plainly again afterwards', () => {
    const e = ends();
    e.meet();
    const heard = [new Set<number>(), new Set<number>(), new Set<number>()];
    const flows = heard.map((set, i) =>
      e.client.flow(i === 2 ? picture : sound, s => e.server.bind(s, p => void set.add(p.seq))),
    );
    const random = seededRandom(5);
    const noise = () => random() < 0.2;
    let seq = 0;
    const talk = (ms: number, lost?: () => boolean): void => {
      for (let at = 0; at < ms; at += 20) {
        seq++;
        for (const f of flows) e.client.send(f, packet(seq));
        e.run(20, lost);
      }
    };
    talk(2000);
    const clean = e.wire.length;
    expect(clean).toBe(0);
    talk(3000, noise); // it takes notice
    const from = seq;
    talk(6000, noise);
    e.run(500);
    const missing = heard.map(set => {
      let n = 0;
      for (let s = from + 1; s <= seq; s++) if (!set.has(s)) n++;
      return n / (seq - from);
    });
    expect(Math.max(missing[0]!, missing[1]!)).toBeLessThan(0.03);
    expect(missing[2]).toBeLessThan(0.02);
    talk(15_000);
    e.client.send(flows[0]!, packet(++seq));
    expect(e.media()[0]!.bytes.length).toBeLessThan(20 + 40 + 15);
  });
});
