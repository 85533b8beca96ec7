import type { Feedback, MediaPacket } from '../../../contract.ts';
import { Drops } from '../../../kit/limits.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';
import { readRtcp, writeRtcp } from '../../rtp/rtcp.ts';
import { Keys } from '../session/key-ring.ts';
import { MediaPlane } from './plane.ts';
import type { Announcement, Spread } from './types.ts';

/** A seeded generator of numbers in [0, 1). */
export function seeded(seed: number): () => number {
  let s = seed >>> 0 || 1;
  return () => {
    s = (s + 0x6d2b79f5) | 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface World {
  /** One way, ms. */
  readonly delayMs?: number;
  /** Is this packet or report lost? Asked for each. */
  readonly lost?: (at: number, what: 'packet' | 'feedback', bytes: Uint8Array) => boolean;
  readonly announceDelayMs?: number;
  /** Added to the delay of each packet, ms. */
  readonly jitterMs?: () => number;
  readonly budgetMs?: number;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: (now: number) => void;
}

/** Two planes, `a` sends and `b` hears, over a network that is a value, under a virtual clock. */
export class PlanePair {
  readonly drops = { a: new Drops(), b: new Drops() };
  readonly keys = { a: ring('from-client'), b: ring('from-server') };
  readonly a: MediaPlane;
  readonly b: MediaPlane;
  readonly announcements: Announcement[] = [];
  /** Every packet sent, sealed, with its time. */
  readonly sent: { at: number; bytes: Buffer; spread: Spread }[] = [];
  readonly feedback: { at: number; parts: Rtcp[] }[] = [];
  now = 0;
  readonly #events: Event[] = [];
  #order = 0;

  constructor(world: World = {}) {
    const { delayMs = 0, announceDelayMs = delayMs } = world;
    this.a = new MediaPlane({
      keys: this.keys.a,
      count: reason => this.drops.a.count(reason),
      transmit: (bytes, length, spread, now) => {
        const copy = Buffer.from(bytes.subarray(0, length));
        bytes.fill(0xee, length, length + 32); // a trailer
        this.sent.push({ at: now, bytes: copy, spread });
        if (world.lost?.(now, 'packet', copy)) return;
        this.at(now + delayMs + (world.jitterMs?.() ?? 0), t => this.b.receive(copy, t));
      },
      announce: a => {
        this.announcements.push(a);
        this.at(this.now + announceDelayMs, t => this.b.announced(a, t));
      },
      feedback: () => {},
    });
    this.b = new MediaPlane({
      keys: this.keys.b,
      ...(world.budgetMs !== undefined && { budgetMs: world.budgetMs }),
      count: reason => this.drops.b.count(reason),
      transmit: () => {},
      announce: () => {},
      feedback: parts => {
        this.feedback.push({ at: this.now, parts });
        const wire = writeRtcp(parts);
        if (wire.length > 1200) throw new Error(`feedback of ${wire.length} bytes`);
        if (world.lost?.(this.now, 'feedback', wire)) return;
        this.at(this.now + delayMs, t => this.a.rtcp(readRtcp(wire) as Rtcp[], t));
      },
    });
    this.a.setRtt(2 * delayMs);
    this.b.setRtt(2 * delayMs);
  }

  at(at: number, run: (now: number) => void): void {
    const event = { at, order: this.#order++, run };
    let i = this.#events.length;
    while (i > 0 && (this.#events[i - 1] as Event).at > at) i--;
    this.#events.splice(i, 0, event);
  }

  /** Lets time pass up to `until`. */
  run(until: number): void {
    for (;;) {
      const event = this.#events[0]?.at ?? Number.POSITIVE_INFINITY;
      const next = Math.min(event, Math.max(this.now, this.a.deadline), Math.max(this.now, this.b.deadline));
      if (next > until) break;
      this.now = next;
      if (event <= next) (this.#events.shift() as Event).run(next);
      this.a.tick(next);
      this.b.tick(next);
    }
    this.now = until;
  }
}

const ring = (direction: 'from-client' | 'from-server'): Keys =>
  new Keys({ secret: Buffer.alloc(32, 7), suite: 'aes-128-gcm', direction });

export const copyOf = (p: MediaPacket): MediaPacket => ({
  ...p,
  payload: Buffer.from(p.payload),
  ...(p.frame && { frame: { ...p.frame } }),
});

/** 20 ms of sound at 48 kHz; its bytes say which one it is. */
export const sound = (seq: number, more: Partial<MediaPacket> = {}): MediaPacket => ({
  seq,
  pts: seq * 960,
  marker: seq % 10 === 0,
  payload: Buffer.from(`sound ${seq}`.padEnd(40 + (seq % 20), '.')),
  level: seq & 127,
  ...more,
});

/** A picture at 30 a second, of `packets` packets. */
export function picture(
  frame: number,
  firstSeq: number,
  packets: number,
  more: { key?: boolean; config?: boolean; temporal?: number; bytes?: number } = {},
): MediaPacket[] {
  return Array.from({ length: packets }, (_, i) => ({
    seq: firstSeq + i,
    pts: frame * 3000,
    marker: i === packets - 1,
    payload: Buffer.from(`picture ${frame} ${i}`.padEnd((more.bytes ?? 1100) - ((frame * 7 + i) % 50), 'x')),
    frame: {
      start: i === 0,
      end: i === packets - 1,
      key: more.key ?? false,
      config: (more.config ?? false) && i === 0,
      temporal: more.temporal ?? 0,
    },
  }));
}

export const ignore = (_: Feedback): void => {};
