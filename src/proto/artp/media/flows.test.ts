import { describe, expect, it } from 'vitest';
import type { MediaPacket } from '../../../contract.ts';
import { Keys } from '../session/key-ring.ts';
import { HOLD } from './hold.ts';
import { copyOf, ignore, PlanePair, seeded, sound } from './plane.testing.ts';
import { MAX_FLOW } from './ssrc.ts';

const packet = (seq: number, pts = seq * 960): MediaPacket => ({
  seq,
  pts,
  marker: false,
  payload: Buffer.from(`payload ${seq}`),
});

/** A track from `a` to `b`; nothing is delivered until the pair runs. */
function link(world = {}) {
  const pair = new PlanePair(world);
  const heard: MediaPacket[] = [];
  const hear = () => pair.b.hear(1, p => void heard.push(copyOf(p)));
  const out = pair.a.send(1, 'audio', 48000, ignore);
  return {
    pair,
    heard,
    out,
    hear,
    pass(p: MediaPacket) {
      out.sink(p, pair.now);
      pair.run(pair.now + 1);
    },
  };
}

describe('a flow', () => {
  it('keeps counting over every wrap, in order and out of it', () => {
    const l = link();
    l.hear();
    const sent: number[] = [];
    for (let seq = 1000; seq < 201_000; seq += 40)
      for (const s of [seq + 20, seq]) {
        l.pass(packet(s, s * 50_000));
        sent.push(s);
      }
    expect(l.heard.map(p => p.seq)).toEqual(sent);
    expect(l.heard.map(p => p.pts)).toEqual(sent.map(s => s * 50_000));
    expect(l.pair.announcements.length).toBeGreaterThan(3);
  });

  it('begins anew after a jump that its numbers cannot tell', () => {
    const l = link();
    l.hear();
    const sent = [
      packet(100, 100),
      packet(101, 1e12),
      packet(1_000_000, 1e12),
      packet(500, 5),
      packet(501, 9),
    ];
    for (const p of sent) l.pass(p);
    expect(l.heard).toEqual(sent);
    expect(l.pair.announcements.map(a => a.ssrc)).toEqual([1, 2, 3, 4]);
  });

  it('survives a loss longer than the sequence number can tell', () => {
    let lost = false;
    const l = link({ lost: (_: number, what: string) => lost && what === 'packet' });
    l.hear();
    l.pass(packet(1));
    lost = true;
    for (let seq = 2; seq < 150_000; seq++) l.out.sink(packet(seq), l.pair.now);
    lost = false;
    l.pass(packet(150_000));
    expect(l.heard.map(p => p.seq)).toEqual([1, 150_000]);
  });

  it('carries no payload, and a long one', () => {
    const l = link();
    l.hear();
    const sent = [
      { ...packet(1), payload: Buffer.alloc(0) },
      { ...packet(2), payload: Buffer.alloc(1400, 0xa5) },
    ];
    for (const p of sent) l.pass(p);
    expect(l.heard).toEqual(sent);
  });

  it('never seals under one number twice', () => {
    const l = link();
    l.hear();
    for (const seq of [10, 12, 11, 10, 11, 12, 13]) l.pass(packet(seq));
    expect(l.heard.map(p => p.seq)).toEqual([10, 12, 11, 13]);
    expect(l.pair.drops.a.get('duplicate')).toBe(3);
    l.pass({ ...packet(14), payload: Buffer.alloc(2048) });
    expect(l.pair.drops.a.get('oversize')).toBe(1);
  });

  it('is told apart from what follows once renewed, on both sides', () => {
    const l = link({ delayMs: 10, announceDelayMs: 0 });
    const track = l.hear();
    l.pass(packet(1));
    l.pair.run(100);
    l.pass(packet(2)); // under way when the format changes
    track.renew();
    l.out.renew();
    l.pass(packet(3));
    l.pair.run(200);
    expect(l.heard.map(p => p.seq)).toEqual([1, 3]);
    expect(l.pair.drops.b.get('late')).toBe(1);
  });

  it('goes on in the next epoch when the keys change; the last packets of the old one are still heard', () => {
    const l = link({ delayMs: 30, announceDelayMs: 5 });
    l.hear();
    for (let seq = 1; seq <= 20; seq++) {
      if (seq === 10) {
        l.pair.keys.a.confirm(0);
        expect(l.pair.keys.a.nextEpoch()).toBe(true);
      }
      l.pass(packet(seq));
    }
    l.pair.run(1000);
    expect(l.heard.map(p => p.seq)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(l.pair.announcements.map(a => a.ssrc)).toEqual([1, 0x01000001]);
  });

  it('of a track that is closed is over, on either side', () => {
    const l = link();
    const track = l.hear();
    l.pass(packet(1));
    track.close();
    track.close();
    l.pass(packet(2));
    expect(l.pair.drops.b.get('late')).toBe(1);
    l.out.close();
    l.out.close();
    l.pass(packet(3));
    expect(l.heard.map(p => p.seq)).toEqual([1]);
    expect(l.pair.sent.length).toBe(2);
  });
});

describe('what comes before its announcement', () => {
  it('waits, is delivered in order, and no copy of it counts twice', () => {
    const l = link({ announceDelayMs: 50 });
    l.hear();
    for (const seq of [1, 3, 2]) l.pass(packet(seq));
    l.pair.b.receive((l.pair.sent[1] as { bytes: Buffer }).bytes, l.pair.now);
    expect(l.heard).toEqual([]);
    l.pair.run(60);
    expect(l.heard.map(p => p.seq)).toEqual([1, 3, 2]);
    l.pair.b.receive((l.pair.sent[0] as { bytes: Buffer }).bytes, l.pair.now);
    expect(l.heard.length).toBe(3);
  });

  it('waits as well until somebody hears the track, but not for ever', () => {
    const l = link();
    l.pass(packet(1));
    l.pass(packet(2));
    l.hear();
    expect(l.heard.map(p => p.seq)).toEqual([1, 2]);
    const other = l.pair.a.send(2, 'audio', 48000, ignore);
    other.sink(packet(1), l.pair.now);
    l.pair.run(l.pair.now + HOLD.ms + 10);
    expect(l.pair.drops.b.get('hold-expired')).toBe(1);
    other.sink(packet(2), l.pair.now);
    l.pair.run(l.pair.now + 10);
    expect(l.pair.drops.b.get('unheard')).toBe(1);
    const late: number[] = [];
    l.pair.b.hear(2, p => void late.push(p.seq));
    other.sink(packet(3), l.pair.now);
    l.pair.run(l.pair.now + 10);
    expect(late).toEqual([3]);
  });

  it('waits in a bounded place, for a bounded time', () => {
    const l = link({ announceDelayMs: 5000 });
    l.hear();
    for (let seq = 0; seq < HOLD.packets + 3; seq++) l.out.sink(packet(seq), 0);
    l.pair.run(HOLD.ms);
    expect(l.pair.drops.b.all()).toEqual(new Map([['hold-full', 3]]));
    l.pair.run(HOLD.ms + 2);
    expect(l.pair.drops.b.get('hold-expired')).toBe(HOLD.packets);
    l.pair.run(6000);
    expect(l.heard).toEqual([]);
    l.pass(packet(600));
    expect(l.heard.map(p => p.seq)).toEqual([600]);
  });
});

describe('a stranger', () => {
  it('gets nothing of his to wait, nor what was sealed for the other direction opened', () => {
    const l = link();
    const other = new PlanePair();
    const keys = new Keys({ secret: Buffer.alloc(32, 8), suite: 'aes-128-gcm', direction: 'from-client' });
    other.keys.a.sealer = kind => keys.sealer(kind);
    const out = other.a.send(1, 'audio', 48000, ignore);
    for (let seq = 0; seq < 1000; seq++) out.sink(packet(seq), 0);
    for (const { bytes } of other.sent) expect(l.pair.b.receive(bytes, 0)).toBe('junk');
    expect(l.pair.drops.b.all()).toEqual(new Map([['forged', 1000]]));
    l.out.sink(packet(1), 0);
    expect(l.pair.a.receive(l.pair.sent[0]!.bytes, 0)).toBe('junk'); // back to where it came from
    expect(l.pair.drops.a.all()).toEqual(new Map([['forged', 1]]));
  });

  it('replays nothing from beyond the window; just inside it what is new is heard', () => {
    const l = link({ lost: () => true });
    l.hear();
    for (let seq = 1; seq <= 1100; seq++) l.out.sink(packet(seq), 0);
    l.pair.run(0); // the announcement
    for (const seq of [1100, 77, 76]) l.pair.b.receive(l.pair.sent[seq - 1]!.bytes, 0);
    expect(l.heard.map(p => p.seq)).toEqual([1100, 77]);
    expect(l.pair.drops.b.get('too-old')).toBe(1);
  });

  it('forges nothing: every flipped bit, every cut is counted and dropped', () => {
    const l = link();
    l.hear();
    l.pair.a.setPolicy({
      kind: 'audio',
      pattern: 2,
      copies: 1,
      twoPaths: false,
      nack: false,
    });
    for (let seq = 1; seq <= 4; seq++) l.out.sink(sound(seq), 0);
    const good = l.pair.sent.map(s => s.bytes);
    for (let i = 0; i < 3; i++) l.pair.run(1);
    expect(l.heard.length).toBe(4);
    const target = Buffer.from(good[3]!);
    for (let bit = 0; bit < target.length * 8; bit++) {
      const forged = Buffer.from(target);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      l.pair.b.receive(forged, 1);
    }
    for (let cut = 0; cut < target.length; cut++) l.pair.b.receive(target.subarray(0, cut), 1);
    expect(l.heard.length).toBe(4);
  });

  it('replays nothing: a copy is dropped before it is decrypted', () => {
    const l = link();
    const track = l.hear();
    l.pass(packet(1));
    let opened = 0;
    const { opener } = l.pair.keys.b;
    l.pair.keys.b.opener = (epoch, kind) => {
      opened++;
      return opener.call(l.pair.keys.b, epoch, kind);
    };
    for (let i = 0; i < 100; i++) l.pair.b.receive(l.pair.sent[0]!.bytes, l.pair.now);
    expect(opened).toBe(0);
    expect(track.stats).toMatchObject({ packets: 1, repeated: 100 });
  });

  it('who holds the keys cannot make memory grow', () => {
    const l = link();
    const random = seeded(5);
    // Announcements of tracks nobody hears, wild numbers, and again what was announced before.
    for (let i = 1; i < 20_000; i++)
      l.pair.b.announced(
        { track: i, ssrc: i, seq: Math.floor(random() * 1e15), pts: 0, kind: 'audio', clockRate: 8000 },
        0,
      );
    for (const bad of [
      { track: -1 },
      { ssrc: 0 },
      { ssrc: 2 ** 32 },
      { ssrc: (1 << 22) | 1 },
      { ssrc: MAX_FLOW + 1 },
      { ssrc: 5 },
      { seq: Number.NaN },
      { seq: 1e300 },
      { pts: 0.5 },
      { clockRate: 0 },
      { kind: 'text' as 'audio' },
    ])
      l.pair.b.announced(
        { track: 1, ssrc: 30_000, seq: 0, pts: 0, kind: 'audio', clockRate: 8000, ...bad },
        0,
      );
    expect(l.pair.drops.b.get('bad-announcement')).toBe(11);
    expect(unheardFlows(l.pair)).toBeLessThanOrEqual(4096);
  });
});

/** Flows that would begin if all tracks were heard now. */
function unheardFlows(pair: PlanePair): number {
  let flows = 0;
  for (let track = 0; track < 20_000; track++) {
    const heard = pair.b.hear(track, () => {}) as unknown as { ssrc: number | undefined };
    if (heard.ssrc !== undefined) flows++;
  }
  return flows;
}
