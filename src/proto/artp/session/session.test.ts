import { describe, expect, it } from 'vitest';
import { MAX_UNSAID_BYTES } from './messages.ts';
import { Pair, SERVER, STREAM, udp } from './pair.testing.ts';

const WHY = { blame: 'none', reason: 'done', text: 'The meeting is over.' } as const;

describe('a session', () => {
  it('opens by a challenge each way, and speaks in order', () => {
    const p = new Pair(1).connect();
    for (let n = 0; n < 20; n++) p.client.do((s, now) => s.say({ n, text: 'x'.repeat(n * 200) }, now));
    p.server.do((s, now) => s.say('welcome', now));
    p.run(2000);
    expect(p.client.states).toEqual(['active']);
    expect(p.server.states).toEqual(['active']);
    expect(p.server.messages.map(m => (m as { n: number }).n)).toEqual([...Array(20).keys()]);
    expect(p.client.messages).toEqual(['welcome']);
    expect(p.client.session.stats()).toMatchObject({ unsaidBytes: 0, state: 'active' });
    expect(p.client.session.paths()).toMatchObject([{ state: 'ready', active: true, rttMs: 40 }]);
    expect([...p.client.drops.all().keys(), ...p.server.drops.all().keys()]).toEqual([]);
  });

  it.each([0.5, 0.7, 0.8])('says everything, once and in order, at a loss of %d both ways', loss => {
    const p = new Pair(2, { there: { loss, delayMs: 30 } }).connect();
    p.run(2000);
    const said = Array.from({ length: 30 }, (_, n) => ({ n, text: 'y'.repeat(n % 5 ? 50 : 3000) }));
    for (const m of said) {
      p.client.do((s, now) => s.say(m, now));
      p.server.do((s, now) => s.say(m, now));
      p.run(50);
    }
    p.run(loss === 0.8 ? 20_000 : 5000);
    expect(p.server.messages).toEqual(said);
    expect(p.client.messages).toEqual(said);
    expect(p.client.ended).toBeUndefined();
  });

  it('ends in words when too much waits, and refuses what is too long', () => {
    const p = new Pair(3).connect();
    expect(() => p.client.do((s, now) => s.say('z'.repeat(32 * 1024), now))).toThrow(RangeError);
    p.run(200);
    p.impair({ loss: 1 });
    for (let bytes = 0; bytes <= MAX_UNSAID_BYTES; bytes += 30_000)
      p.client.do((s, now) => s.say('z'.repeat(30_000), now));
    p.run(1500);
    expect(p.client.ended).toMatchObject({ reason: 'messages-piled-up' });
    expect(p.client.session.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([0, 0.5])('ends with a reason that arrives, at a loss of %d', loss => {
    const p = new Pair(4, { there: { loss, delayMs: 20 } }).connect();
    p.run(3000);
    p.server.do((s, now) => s.close(WHY, now));
    p.run(1100);
    expect(p.client.ended).toEqual(WHY);
    expect(p.server.ended).toEqual(WHY);
    expect(p.client.states.at(-1)).toBe('gone');
    const { length } = p.client.sent;
    p.run(200_000);
    expect(p.client.sent).toHaveLength(length);
    expect(p.client.events.filter(e => e.type === 'ended')).toHaveLength(1);
  });

  it('idles quietly: a probe every 15 s each way', () => {
    const p = new Pair(5).connect();
    p.run(1000);
    const before = p.client.sent.length + p.server.sent.length;
    p.run(600_000);
    expect(p.client.states).toEqual(['active']);
    expect(p.client.sent.length + p.server.sent.length - before).toBeLessThanOrEqual(40 * 4 + 8);
  });
});

describe('silence', () => {
  const silent = (ms: number) => {
    const p = new Pair(6).connect();
    p.run(5000);
    p.client.do((s, now) => s.say('the last word', now));
    p.run(60);
    p.impair({ loss: 1 });
    p.run(ms);
    return p;
  };
  it('of 119 s keeps the seat, and what is heard then goes on as if nothing had been', () => {
    const p = silent(119_000);
    expect(p.server.states).toEqual(['active', 'suspect', 'detached']);
    expect(p.client.states).toEqual(['active', 'suspect', 'detached']);
    p.impair({ delayMs: 20 });
    p.run(1100);
    expect(p.server.states.at(-1)).toBe('active');
    p.client.do((s, now) => s.say('back', now));
    p.run(100);
    expect(p.server.messages).toEqual(['the last word', 'back']);
  });
  it('of 121 s frees it', () => {
    const p = silent(121_000);
    expect(p.server.states).toEqual(['active', 'suspect', 'detached', 'gone']);
    expect(p.server.ended).toMatchObject({ blame: 'client', reason: 'session-lost' });
    expect(p.client.ended).toMatchObject({ blame: 'upstream', reason: 'session-lost' });
  });
  it('of a session that never opened frees it too', () => {
    const p = new Pair(7);
    p.run(121_000);
    expect(p.server.ended).toMatchObject({ reason: 'session-lost' });
  });
});

describe('the ways', () => {
  it('a new address is followed as soon as the next report shows it', () => {
    const p = new Pair(8).connect();
    p.run(3000);
    p.rebind('192.0.2.99');
    p.net.impair('192.0.2.99', SERVER, { delayMs: 20 });
    const at = p.net.clock.now();
    p.client.do((s, now) => s.say('from a new address', now));
    p.run(1000);
    expect(p.server.messages).toEqual(['from a new address']);
    expect(p.server.activeRoute).toMatchObject({ address: '192.0.2.99' });
    const there = p.server.sent.filter(d => d.route.address === '192.0.2.99');
    expect(there[0]!.at - at).toBeLessThan(100);
    p.run(60_000);
    expect(p.server.session.paths()).toHaveLength(1);
    expect(p.server.states).toEqual(['active']);
  });
  it('the stream takes over where UDP is blocked from the start, and UDP takes it back', () => {
    const p = new Pair(9, { stream: true, there: { loss: 1 } }).connect();
    p.run(500);
    expect(p.client.activeRoute).toEqual(STREAM);
    expect(p.server.activeRoute).toEqual(STREAM);
    p.impair({ delayMs: 20 });
    p.run(15_500);
    expect(p.client.activeRoute).toEqual(udp());
    expect(p.server.activeRoute).toMatchObject({ kind: 'udp' });
  });
});

describe('an idle session', () => {
  it.each(['client', 'server'] as const)(
    'that says something on a dead path is heard over another: %s',
    side => {
      const p = new Pair(10, { stream: true }).connect();
      p.run(5000);
      p.impair({ loss: 1 });
      const [from, to] = side === 'client' ? [p.client, p.server] : [p.server, p.client];
      from.do((s, now) => s.say('is anybody there', now));
      p.run(1000);
      expect(to.messages).toEqual(['is anybody there']);
      expect(from.session.stats().unsaidBytes).toBe(0);
      to.do((s, now) => s.say('yes', now));
      p.run(1000);
      expect(from.messages).toEqual(['yes']);
    },
  );
});

/** A packet of sound every 20 ms from `from`, and what is heard of it at the other end, by time. */
function speak(p: Pair, from: 'client' | 'server') {
  const [speaker, listener] = from === 'client' ? [p.client, p.server] : [p.server, p.client];
  const track = speaker.do(s => s.send(1, 'audio', 48_000, () => {}));
  const heard: { seq: number; at: number; text: string }[] = [];
  listener.do(s =>
    s.hear(1, (m, now) => void heard.push({ seq: m.seq, at: now, text: Buffer.from(m.payload).toString() })),
  );
  let seq = 0;
  const stop = p.net.clock.every(20, now => {
    const payload = Buffer.from(`sound ${seq} `.padEnd(60, '.'));
    speaker.do(() => track.sink({ seq, pts: seq * 960, marker: false, payload, level: 30 }, now));
    seq++;
  });
  return {
    heard,
    stop,
    get sent() {
      return seq;
    },
    /** The longest silence at the listener between two times, ms. */
    gap(fromMs: number, toMs: number): number {
      const times = [fromMs, ...heard.map(h => h.at).filter(t => t >= fromMs && t <= toMs), toMs];
      return Math.max(...times.slice(1).map((t, i) => t - times[i]!));
    },
  };
}

describe('media', () => {
  it('goes both ways, every packet once and as it was', () => {
    const p = new Pair(20).connect();
    p.run(200);
    const up = speak(p, 'client');
    const down = speak(p, 'server');
    p.run(10_000);
    for (const s of [up, down]) {
      expect(s.heard.length).toBeGreaterThanOrEqual(s.sent - 3);
      expect(s.heard.map(h => h.seq)).toEqual([...Array(s.heard.length).keys()]);
      expect(s.heard[100]!.text).toMatch(/^sound 100 \.+$/);
    }
    expect([...p.client.drops.all(), ...p.server.drops.all()]).toEqual([]);
  });

  it('is heard again within a second when the address changes, both ways', () => {
    const p = new Pair(21).connect();
    p.run(200);
    const up = speak(p, 'client');
    const down = speak(p, 'server');
    p.run(10_000);
    for (const [i, address] of ['192.0.2.50', '192.0.2.51', '192.0.2.52'].entries()) {
      p.net.impair(address, SERVER, { delayMs: 20 });
      p.rebind(address);
      const at = p.net.clock.now();
      p.run(5000 + i * 1000);
      expect(up.gap(at, p.net.clock.now()), 'up').toBeLessThan(500);
      expect(down.gap(at, p.net.clock.now()), 'down').toBeLessThan(500);
    }
  });

  it('takes the stream within a second and a half when UDP is blocked, and UDP again when it answers', () => {
    const p = new Pair(22, { stream: true }).connect();
    p.run(200);
    const up = speak(p, 'client');
    const down = speak(p, 'server');
    p.run(10_000);
    expect(p.client.activeRoute).toEqual(udp());
    p.impair({ loss: 1 });
    const at = p.net.clock.now();
    p.run(20_000);
    expect(p.client.activeRoute).toEqual(STREAM);
    expect(p.server.activeRoute).toEqual(STREAM);
    expect(Math.max(up.gap(at, p.net.clock.now()), down.gap(at, p.net.clock.now()))).toBeLessThan(1500);
    p.impair({ delayMs: 20 });
    const again = p.net.clock.now();
    p.run(20_000);
    expect(p.client.activeRoute).toEqual(udp());
    expect(p.server.activeRoute).toMatchObject({ kind: 'udp' });
    expect(Math.max(up.gap(again, p.net.clock.now()), down.gap(again, p.net.clock.now()))).toBeLessThan(100);
    expect(p.client.states).toEqual(['active']);
  });

  it('moves when one direction only is blocked', () => {
    const p = new Pair(23, { stream: true }).connect();
    p.run(200);
    const up = speak(p, 'client');
    const down = speak(p, 'server');
    p.run(10_000);
    p.impair({ loss: 1 }, { delayMs: 20 });
    const at = p.net.clock.now();
    p.run(10_000);
    expect(up.gap(at, p.net.clock.now())).toBeLessThan(3000);
    expect(down.gap(at, p.net.clock.now())).toBeLessThan(3000);
    expect(p.client.activeRoute).toEqual(STREAM);
  });

  it('is nearly whole although half of all packets are lost both ways, reports too', () => {
    const p = new Pair(25, { there: { loss: 0.5, delayMs: 30 } }).connect();
    p.run(2000);
    const up = speak(p, 'client');
    const down = speak(p, 'server');
    p.run(5000);
    const from = up.sent;
    p.run(15_000);
    for (const s of [up, down]) {
      const late = new Set(s.heard.filter(h => h.seq >= from).map(h => h.seq));
      expect(late.size / (s.sent - from - 10)).toBeGreaterThan(0.985);
      expect(new Set(s.heard.map(h => h.seq)).size).toBe(s.heard.length);
    }
    expect(p.client.states).toEqual(['active']);
  });

  it('after 119 s of silence goes on where it was, from another address', () => {
    const p = new Pair(26).connect();
    p.run(200);
    const up = speak(p, 'client');
    p.run(5000);
    p.impair({ loss: 1 });
    p.run(119_000);
    expect(p.server.states).toEqual(['active', 'suspect', 'detached']);
    p.net.impair('192.0.2.88', SERVER, { delayMs: 20 });
    p.rebind('192.0.2.88');
    const at = p.net.clock.now();
    p.run(3000);
    expect(p.server.states.at(-1)).toBe('active');
    expect(up.heard.filter(h => h.at > at)[0]!.at - at).toBeLessThan(1200);
    expect(p.client.drops.get('detached')).toBeGreaterThan(5000);
  });

  it('goes on through changes of keys, also while half of it is lost', () => {
    const p = new Pair(24, { there: { loss: 0.5, delayMs: 30 } }).connect();
    p.run(3000);
    const up = speak(p, 'client');
    const down = speak(p, 'server');
    for (let i = 0; i < 6; i++) {
      p.run(5000);
      p.client.do((s, now) => s.rekey(now));
      p.server.do((s, now) => s.rekey(now));
    }
    p.run(5000);
    expect(p.client.session.stats().sendEpoch).toBe(6);
    expect(p.server.session.stats().sendEpoch).toBe(6);
    const end = p.net.clock.now();
    expect(up.gap(end - 30_000, end)).toBeLessThan(400);
    expect(down.gap(end - 30_000, end)).toBeLessThan(400);
    for (const e of [p.client, p.server]) expect(e.drops.get('forged')).toBe(0);
  });
});
