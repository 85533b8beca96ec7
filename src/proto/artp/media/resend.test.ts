import { describe, expect, it } from 'vitest';
import type { Feedback, MediaPacket } from '../../../contract.ts';
import { writeRtcp } from '../../rtp/rtcp.ts';
import { packetCipher } from '../../rtp/srtp/cipher.ts';
import { directionKeys } from '../keys.ts';
import { copyOf, ignore, PlanePair, picture, seeded, sound } from './plane.testing.ts';
import { PLAIN_AUDIO, PLAIN_VIDEO, type VideoPolicy } from './policy-types.ts';

const seqOf = (b: Uint8Array): number => (b[2]! << 8) | b[3]!;
const typeOf = (b: Uint8Array): number => b[1]! & 0x7f;
const video = (more: Partial<VideoPolicy>): VideoPolicy => ({ ...PLAIN_VIDEO, ...more });

/** 30 pictures a second of `packets` packets each, for `frames` frames. */
function film(pair: PlanePair, sink: (p: MediaPacket, now: number) => void, frames: number, packets = 4) {
  const sent: MediaPacket[] = [];
  for (let f = 0; f < frames; f++) {
    const frame = picture(f, f * packets, packets, { key: f % 30 === 0, temporal: f % 2, bytes: 100 });
    sent.push(...frame);
    for (const p of frame) sink(p, pair.now);
    pair.run(pair.now + 33);
  }
  return sent;
}

describe('a lost packet', () => {
  it('is asked for by NACK once it cannot merely be late, and comes as RTX: RFC 4588', () => {
    const pair = new PlanePair({ delayMs: 50, lost: (at, _, b) => at === 0 && seqOf(b) === 0x4001 });
    const seen: { p: MediaPacket; at: number }[] = [];
    const track = pair.b.hear(2, (p, at) => void seen.push({ p: copyOf(p), at }));
    const out = pair.a.send(2, 'video', 90000, ignore);
    const frame = picture(0, 700, 3, { key: true });
    for (const p of frame) out.sink(p, 0);
    pair.run(1000);
    // 50 ms there, 10 ms to see that it is not merely late, 100 ms round.
    expect(seen.map(s => [s.p.seq, s.at])).toEqual([
      [700, 50],
      [702, 50],
      [701, 160],
    ]);
    expect(seen[2]!.p).toEqual(frame[1]);
    expect(pair.feedback[0]).toEqual({
      at: 60,
      parts: [{ type: 'nack', sender: 0x00c00000, media: 1, lost: [0x4001] }],
    });
    // Said twice, because a request may be lost as well; answered once.
    expect(pair.feedback.map(f => f.at)).toEqual([60, 75]);
    const rtx = pair.sent.filter(s => typeOf(s.bytes) === 99);
    expect(rtx.length).toBe(1);
    const wire = rtx[0]!.bytes;
    expect(wire.toString('hex', 0, 20)).toBe('90630000' + '80000000' + '00400001' + 'bede0001' + '20200000');
    const plain = Buffer.alloc(2048);
    const cipher = packetCipher(directionKeys(Buffer.alloc(32, 7), 'from-client', 0), 'rtp');
    expect(cipher.open(wire, 20, plain, 0x00400001, 0, 0)).toBe(true);
    expect(plain.subarray(20, wire.length - 16)).toEqual(
      Buffer.concat([Buffer.of(0x40, 0x01), frame[1]!.payload]),
    );
    expect(track.stats).toMatchObject({ packets: 3, recovered: 1, lost: 0, asked: 1 });
    expect(out.stats).toMatchObject({ retransmitted: 1 });
  });

  it('is not asked for when it was merely overtaken, and patience grows where packets come late', () => {
    let n = 0;
    const pair = new PlanePair({ delayMs: 40, jitterMs: () => (n++ % 8 === 3 ? 30 : 0) });
    const seen: number[] = [];
    pair.b.hear(2, p => void seen.push(p.seq));
    const out = pair.a.send(2, 'video', 90000, ignore);
    film(pair, out.sink, 60);
    pair.run(pair.now + 1000);
    expect(new Set(seen).size).toBe(240);
    expect(seen.length).toBe(240);
    expect(pair.feedback.length).toBeLessThan(5);
  });

  it('comes back through loss of requests and answers: 10 % and 30 %, both ways', () => {
    for (const [share, rttMs, nackCopies, least] of [
      [0.1, 100, 1, 0.995],
      [0.3, 300, 3, 0.97],
    ] as const) {
      const random = seeded(11);
      const pair = new PlanePair({ delayMs: rttMs / 2, announceDelayMs: 0, lost: () => random() < share });
      pair.a.setPolicy(video({ nackCopies }));
      const seen: MediaPacket[] = [];
      const track = pair.b.hear(2, p => void seen.push(copyOf(p)));
      const out = pair.a.send(2, 'video', 90000, ignore);
      const sent = film(pair, out.sink, 300);
      pair.run(pair.now + 2000);
      expect(new Set(seen.map(p => p.seq)).size).toBe(seen.length);
      for (const p of seen) expect(p).toEqual(sent[p.seq]);
      expect(track.stats.frames / out.stats.frames).toBeGreaterThan(least);
    }
  });

  it('of sound is asked for only while it can still be played', () => {
    const asked = (delayMs: number): number => {
      const random = seeded(3);
      const pair = new PlanePair({ delayMs, lost: () => random() < 0.1, budgetMs: 100 });
      pair.a.setPolicy({ ...PLAIN_AUDIO, nack: true });
      const track = pair.b.hear(1, () => {});
      const out = pair.a.send(1, 'audio', 48000, ignore);
      for (let i = 0; i < 200; i++) {
        out.sink(sound(i), pair.now);
        pair.run(pair.now + 20);
      }
      if (delayMs > 50) expect(out.stats.retransmitted).toBe(0);
      else expect(track.stats.recovered).toBeGreaterThan(10);
      return track.stats.asked;
    };
    expect(asked(20)).toBeGreaterThan(10);
    expect(asked(150)).toBe(0);
  });

  it('is given up where nobody answers, and an outage is not asked for at all', () => {
    const pair = new PlanePair({
      delayMs: 20,
      lost: (at, what) => what === 'feedback' || (at > 300 && at < 900),
    });
    const track = pair.b.hear(2, () => {});
    const out = pair.a.send(2, 'video', 90000, ignore);
    film(pair, out.sink, 60, 20);
    pair.run(pair.now + 3000);
    expect(track.stats.lost).toBeGreaterThan(256);
    expect(pair.feedback.length).toBe(0);
    expect(pair.b.deadline).toBe(Number.POSITIVE_INFINITY);
    const small = new PlanePair({
      delayMs: 20,
      lost: (at, what) => what === 'feedback' || (at > 300 && at < 400),
    });
    small.b.hear(2, () => {});
    film(small, small.a.send(2, 'video', 90000, ignore).sink, 60, 20);
    small.run(small.now + 3000);
    expect(small.feedback.length).toBeGreaterThan(0);
    expect(small.feedback.length).toBeLessThanOrEqual(10);
    expect(small.b.deadline).toBe(Number.POSITIVE_INFINITY);
  });

  it('of many tracks is asked for in packets of a size any network takes', () => {
    const pair = new PlanePair({ delayMs: 20, lost: (at, what) => what === 'packet' && at % 66 === 33 });
    const tracks = Array.from({ length: 60 }, (_, t) => ({
      in: pair.b.hear(t, () => {}),
      out: pair.a.send(t, 'video', 90000, ignore),
    }));
    for (let f = 0; f < 10; f++) {
      // Holes of every second number: the worst to say.
      for (const t of tracks)
        for (const p of picture(f, f * 40, 40, { bytes: 30 }))
          if (f % 2 === 0 || p.seq % 2 === 0) t.out.sink(p, pair.now);
      pair.run(pair.now + 33);
    }
    pair.run(pair.now + 2000);
    expect(pair.feedback.length).toBeGreaterThan(20);
    for (const { parts } of pair.feedback) expect(writeRtcp(parts).length).toBeLessThanOrEqual(1100);
    for (const t of tracks) expect(t.in.stats.asked).toBeGreaterThan(50);
  });

  it('is not sent again for whoever asks without end, nor after a second, nor where the policy says no', () => {
    const pair = new PlanePair();
    const out = pair.a.send(2, 'video', 90000, ignore);
    const sent = film(pair, out.sink, 10, 10);
    const all = sent.map((_, i) => 0x4000 + i);
    const before = pair.sent.length;
    for (let i = 0; i < 50; i++) {
      pair.now += 10;
      pair.a.rtcp([{ type: 'nack', sender: 9, media: 1, lost: all }], pair.now);
    }
    expect(pair.sent.length - before).toBeLessThanOrEqual(256);
    expect(pair.drops.a.get('rtx-limit')).toBeGreaterThan(0);
    film(pair, p => out.sink({ ...p, seq: p.seq + 100, pts: p.pts + 30_000 }, pair.now), 40, 10);
    const later = pair.sent.length;
    pair.a.rtcp([{ type: 'nack', sender: 9, media: 1, lost: all }], pair.now);
    pair.a.setPolicy(video({ nackCopies: 0 }));
    pair.a.rtcp([{ type: 'nack', sender: 9, media: 1, lost: [0x4000 + 499] }], pair.now);
    pair.a.rtcp([{ type: 'nack', sender: 9, media: 77, lost: [0x4000 + 499] }], pair.now);
    expect(pair.sent.length).toBe(later);
  });
});

describe('what the source is told', () => {
  it('a keyframe is asked for until one comes', () => {
    const random = seeded(8);
    const told: Feedback[] = [];
    const pair = new PlanePair({ delayMs: 50, lost: (_, what) => what === 'feedback' && random() < 0.7 });
    const track = pair.b.hear(2, () => {});
    track.feedback({ type: 'keyframe' }); // before there is a flow to name
    const out = pair.a.send(2, 'video', 90000, f => void told.push(f));
    for (let f = 1; f < 100; f++) {
      const key = told.length > 0;
      for (const p of picture(f, f * 2, 2, { key })) out.sink(p, pair.now);
      pair.run(pair.now + 33);
    }
    expect(told.length).toBeGreaterThanOrEqual(1);
    expect(told.every(f => f.type === 'keyframe')).toBe(true);
    const asked = pair.feedback.length;
    pair.run(pair.now + 60_000);
    expect(pair.feedback.length).toBe(asked);
  });

  it('bitrate and pause, the newest of each, once, through 80 % loss', () => {
    const random = seeded(21);
    const told: Feedback[] = [];
    const pair = new PlanePair({ delayMs: 50, lost: (_, what) => what === 'feedback' && random() < 0.8 });
    const track = pair.b.hear(2, () => {});
    const out = pair.a.send(2, 'video', 90000, f => void told.push(f));
    for (const p of picture(0, 0, 2, { key: true })) out.sink(p, 0);
    pair.run(100);
    track.feedback({ type: 'bitrate', bps: 500_000 });
    track.feedback({ type: 'bitrate', bps: 300_000 });
    track.feedback({ type: 'pause', on: true });
    pair.run(40_000);
    expect(told).toContainEqual({ type: 'bitrate', bps: 300_000 });
    expect(told).toContainEqual({ type: 'pause', on: true });
    expect(told.length).toBe(2);
    track.feedback({ type: 'pause', on: false });
    pair.run(80_000);
    expect(told.slice(2)).toEqual([{ type: 'pause', on: false }]);
    expect(pair.b.deadline).toBe(Number.POSITIVE_INFINITY);
    track.close();
  });
});
