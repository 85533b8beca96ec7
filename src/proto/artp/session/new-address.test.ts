import { describe, expect, it } from 'vitest';
import { Pair, udp } from './pair.testing.ts';

describe('a client whose network changes in mid-call', () => {
  const TALKED_MS = 20_000;
  const talking = () => {
    const p = new Pair(11, { there: { loss: 0.5, delayMs: 20 } }).connect();
    const track = p.client.do(s => s.send(1, 'audio', 48_000, () => {}));
    const heard = new Set<number>();
    p.server.do(s => s.hear(1, packet => void heard.add(packet.seq)));
    let seq = 0;
    const talk = (ms: number): void => {
      for (let at = 0; at < ms; at += 20) {
        const packet = { seq, pts: 960 * seq++, marker: false, payload: Buffer.alloc(60), level: 30 };
        p.client.do((_, now) => track.sink(packet, now));
        p.run(20);
      }
    };
    const change = (): void => {
      p.client.do((s, now) => s.dropRoute(udp(), now));
      p.rebind('192.0.2.1');
      p.client.do((s, now) => s.addRoute(udp(), now));
    };
    const missing = (from: number, to: number): number => {
      let lost = 0;
      for (let n = from; n < to; n++) if (!heard.has(n)) lost++;
      return lost / (to - from);
    };
    return { p, talk, change, missing, said: () => seq };
  };

  it('knows at once again what its packets meet, and what to spend against it', () => {
    const { p, talk, change, missing, said } = talking();
    talk(TALKED_MS);
    change();
    talk(2000);
    expect(p.client.session.paths()[0]?.loss).toBeGreaterThan(0.35);
    const from = said();
    talk(10_000);
    p.run(500);
    expect(missing(from, said() - 10)).toBeLessThan(0.04);
  });
});

describe('an address that has not answered yet', () => {
  it('of a client that is only far away, is asked no more than it may be, and nothing counts as dropped', () => {
    const p = new Pair(12, { there: { delayMs: 20 }, back: { delayMs: 400 } }).connect();
    p.run(2000);
    expect(p.server.states).toEqual(['active']);
    expect(p.server.drops.all()).toEqual(new Map());
  });

  it('and is silent after its first question, gets three times that, at most, until it is heard again', () => {
    const p = new Pair(13);
    const send = p.client.out.get('udp')!;
    p.client.out.set('udp', (bytes, length, route) => {
      send(bytes, length, route);
      p.client.out.set('udp', () => {});
    });
    p.connect().run(1500);
    const bytes = p.server.sent.reduce((n, d) => n + d.bytes.length, 0);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(3 * p.client.sent[0]!.bytes.length);
    expect(p.server.states).toEqual([]);
    expect(p.server.drops.all()).toEqual(new Map());
    p.client.out.set('udp', send);
    p.run(1000);
    expect(p.server.states).toEqual(['active']);
  });
});
