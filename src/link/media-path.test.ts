import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/harness/link.ts';
import type { MediaPacket } from '../contract.ts';
import type { UdpSocket } from '../io/udp.ts';
import { Drops } from '../kit/limits.ts';
import { TRAILER_BYTES } from '../proto/artp/trailer.ts';
import { MediaPath } from './media-path.ts';

/** Two ends of a session and a network of addresses between them: nothing moves until `deliver`. */
function ends() {
  const clock = new ManualClock();
  const secret = randomBytes(32);
  const drops = new Drops();
  const wire: { from: 'client' | 'server'; bytes: Buffer; port: number }[] = [];
  let queued = 0;
  /** Where the client is seen from: changes when its NAT forgets it. */
  let clientPort = 5000;
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
      sends: from === 'client' ? 'from-client' : 'from-server',
      theirConnection: Buffer.alloc(8),
      random: randomBytes,
      count: reason => drops.count(reason),
    });
  };
  const client = end('client');
  const server = end('server');
  return {
    clock,
    drops,
    wire,
    client,
    server,
    moveClient: (port: number) => void (clientPort = port),
    queue: (n: number) => void (queued = n),
    /** Hands over what is under way; datagrams to an address where nobody is any more are lost. */
    deliver() {
      while (wire.length > 0) {
        const d = wire.shift()!;
        const packet = d.bytes.subarray(0, d.bytes.length - TRAILER_BYTES);
        if (d.from === 'client') server.receive(packet, '192.0.2.1', clientPort, clock.now());
        else if (d.port === clientPort) client.receive(packet, '192.0.2.9', 7100, clock.now());
      }
    },
  };
}
const packet = (seq: number): MediaPacket => ({ seq, pts: seq, marker: false, payload: Buffer.alloc(20) });

describe('a path', () => {
  it('carries nothing until a challenge was answered, then both ways', async () => {
    const e = ends();
    const heard: number[] = [];
    const up = e.client.flow(true, s => e.server.bind(s, p => void heard.push(p.seq)));
    e.client.send(up, packet(1));
    expect(e.drops.get('no-path')).toBe(1);
    e.client.challenge('192.0.2.9', 7100);
    e.clock.advance(40);
    e.deliver();
    await e.client.found;
    await e.server.found;
    expect(e.client.rttMs).toBe(40);
    e.client.send(up, packet(2));
    const down = e.server.flow(false, s => e.client.bind(s, p => void heard.push(-p.seq)));
    e.server.send(down, packet(3));
    e.deliver();
    expect(heard).toEqual([2, -3]);
  });

  it('follows the other side to a new address once it answers there, and not before', () => {
    const e = ends();
    e.client.challenge('192.0.2.9', 7100);
    e.deliver();
    const heard: number[] = [];
    const down = e.server.flow(true, s => e.client.bind(s, p => void heard.push(p.seq)));
    e.moveClient(6000);
    e.server.send(down, packet(1)); // to where it was
    e.deliver();
    expect(heard).toEqual([]);
    e.client.probe();
    const probeBytes = e.wire[0]!.bytes.length;
    const probe = e.wire.shift()!;
    e.server.receive(probe.bytes.subarray(0, probeBytes - TRAILER_BYTES), '192.0.2.1', 6000, e.clock.now());
    // Answered and challenged, with at most three times the bytes that came; media still goes the old way.
    expect(e.wire.map(d => d.port)).toEqual([6000, 6000]);
    expect(e.wire.reduce((n, d) => n + d.bytes.length, 0)).toBeLessThanOrEqual(3 * probeBytes);
    e.server.send(down, packet(2));
    expect(e.wire.pop()!.port).toBe(5000);
    e.deliver();
    e.server.send(down, packet(3));
    e.deliver();
    expect(heard).toEqual([3]);
  });

  it('is not moved by an answer nobody asked for, or from elsewhere', () => {
    const e = ends();
    e.client.challenge('192.0.2.9', 7100);
    const challenge = e.wire.shift()!;
    e.server.receive(challenge.bytes.subarray(0, -TRAILER_BYTES), '192.0.2.1', 5000, e.clock.now());
    const [response] = e.wire.splice(0);
    e.client.receive(response!.bytes.subarray(0, -TRAILER_BYTES), '203.0.113.7', 7100, e.clock.now());
    expect(e.drops.get('response-from-elsewhere')).toBe(1);
    e.client.receive(response!.bytes.subarray(0, -TRAILER_BYTES), '192.0.2.9', 7100, e.clock.now());
    expect(e.drops.get('replayed')).toBe(1);
    expect(e.client.rttMs).toBeUndefined();
  });

  it('drops rather than queues when the network takes no more', () => {
    const e = ends();
    e.client.challenge('192.0.2.9', 7100);
    e.deliver();
    const up = e.client.flow(true, s => e.server.bind(s, () => {}));
    e.queue(5000);
    e.client.send(up, packet(1));
    expect(e.wire).toEqual([]);
    expect(e.drops.get('send-queue-full')).toBe(1);
  });
});
