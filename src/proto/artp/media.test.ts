import { describe, expect, it } from 'vitest';
import type { MediaPacket } from '../../contract.ts';
import { Drops } from '../../kit/limits.ts';
import { AUDIO_TYPE } from './header.ts';
import { directionKeys } from './keys.ts';
import { HOLD, MediaReceiver } from './media-receiver.ts';
import { type FlowStart, MAX_DATAGRAM, MediaSender } from './media-sender.ts';

const secret = Buffer.alloc(32, 7);
const keys = directionKeys(secret, 'from-client', 0);

/** A flow, its announcements, and a receiver that keeps copies. */
function link() {
  const drops = new Drops();
  const receiver = new MediaReceiver(keys, reason => drops.count(reason));
  const sender = new MediaSender(keys, Buffer.alloc(8));
  const starts: FlowStart[] = [];
  const heard: MediaPacket[] = [];
  const flow = sender.flow(AUDIO_TYPE, start => void starts.push(start));
  const out = Buffer.alloc(MAX_DATAGRAM);
  return {
    drops,
    receiver,
    sender,
    flow,
    starts,
    heard,
    /** The sealed packet, or why there is none. */
    seal(p: MediaPacket): Buffer | string {
      const length = flow.seal(p, out);
      return typeof length === 'string' ? length : Buffer.from(out.subarray(0, length));
    },
    bind(start: FlowStart, now = 0) {
      receiver.bind(start, p => void heard.push(copy(p)), now);
    },
    /** As over a network that loses nothing: announced first, then delivered. */
    pass(p: MediaPacket) {
      const before = starts.length;
      const sealed = this.seal(p);
      if (typeof sealed === 'string') throw new Error(sealed);
      if (starts.length > before) this.bind(starts.at(-1)!);
      receiver.receive(sealed, 0);
    },
  };
}
const copy = (p: MediaPacket): MediaPacket => ({
  ...p,
  payload: Buffer.from(p.payload),
  ...(p.frame && { frame: { ...p.frame } }),
});
const packet = (seq: number, pts = seq * 160, more: Partial<MediaPacket> = {}): MediaPacket => ({
  seq,
  pts,
  marker: false,
  payload: Buffer.from(`payload ${seq}`),
  ...more,
});

describe('a flow', () => {
  it('carries every field, whatever combination there is', () => {
    const l = link();
    const frame = { start: true, end: false, key: true, config: false, temporal: 3 };
    const sent = [
      packet(5_000_000_000, 9_000_000_000_000),
      packet(5_000_000_001, 9_000_000_000_160, { marker: true, level: 0 }),
      packet(5_000_000_002, 9_000_000_000_320, { level: 127, payload: Buffer.alloc(0) }),
      packet(5_000_000_003, 9_000_000_000_480, { frame }),
      packet(5_000_000_004, 9_000_000_000_640, {
        level: 31,
        frame: { ...frame, end: true, config: true, temporal: 0 },
      }),
      packet(5_000_000_005, 9_000_000_000_640, { payload: Buffer.alloc(1400, 0xa5) }),
    ];
    for (const p of sent) l.pass(p);
    expect(l.heard).toEqual(sent);
    expect(l.starts).toEqual([{ ssrc: 1, seq: 5_000_000_000, pts: 9_000_000_000_000 }]);
    expect(l.drops.all().size).toBe(0);
  });

  it('keeps counting over every wrap, in order and out of it', () => {
    const l = link();
    const sent: number[] = [];
    for (let seq = 1000; seq < 201_000; seq += 20) {
      for (const s of [seq + 10, seq]) {
        l.pass(packet(s, s * 50_000)); // timestamps wrap every 86 000 packets
        sent.push(s);
      }
    }
    expect(l.heard.map(p => p.seq)).toEqual(sent);
    expect(l.heard.map(p => p.pts)).toEqual(sent.map(s => s * 50_000));
    expect(l.starts.length).toBeGreaterThan(3);
  });

  it('survives a loss longer than the sequence number can tell', () => {
    const l = link();
    l.pass(packet(1));
    for (let seq = 2; seq < 150_000; seq++) {
      const before = l.starts.length;
      l.seal(packet(seq)); // lost: only the announcements arrive
      if (l.starts.length > before) l.bind(l.starts.at(-1)!);
    }
    l.pass(packet(150_000));
    expect(l.heard.map(p => p.seq)).toEqual([1, 150_000]);
  });

  it('begins anew after a jump that its numbers cannot tell', () => {
    const l = link();
    const sent = [
      packet(100, 100),
      packet(101, 1e12),
      packet(1_000_000, 1e12),
      packet(500, 5),
      packet(501, 165),
    ];
    for (const p of sent) l.pass(p);
    expect(l.heard).toEqual(sent);
    expect(l.starts.map(s => s.ssrc)).toEqual([1, 2, 3, 4]);
  });

  it('never seals under one number twice', () => {
    const l = link();
    l.pass(packet(10));
    l.pass(packet(12));
    l.pass(packet(11));
    for (const again of [10, 11, 12])
      expect(l.seal(packet(again, 0, { payload: Buffer.of(1) }))).toBe('duplicate');
    expect(l.seal(packet(13, 0, { payload: Buffer.alloc(MAX_DATAGRAM) }))).toBe('oversize');
    l.pass(packet(13));
    expect(l.heard.map(p => p.seq)).toEqual([10, 12, 11, 13]);
  });

  it('is told apart from what follows once renewed', () => {
    const l = link();
    l.pass(packet(1));
    const late = l.seal(packet(2)) as Buffer;
    l.flow.renew();
    const fresh = l.seal(packet(3)) as Buffer;
    l.receiver.unbind(1);
    l.receiver.receive(late, 0);
    l.bind(l.starts[1]!);
    l.receiver.receive(fresh, 0);
    expect(l.heard.map(p => p.seq)).toEqual([1, 3]);
    expect(l.drops.get('late')).toBe(1);
  });
});

describe('what comes before its announcement', () => {
  it('waits, is delivered in order, and no copy of it counts twice', () => {
    const l = link();
    const sealed = [1, 3, 2].map(seq => l.seal(packet(seq)) as Buffer);
    for (const s of sealed) l.receiver.receive(s, 0);
    l.receiver.receive(sealed[1]!, 0);
    expect(l.heard).toEqual([]);
    l.bind(l.starts[0]!, 5);
    expect(l.heard.map(p => p.seq)).toEqual([1, 3, 2]);
    l.receiver.receive(sealed[0]!, 0);
    expect(l.drops.all()).toEqual(new Map([['replayed', 2]]));
  });

  it('waits in a bounded place, for a bounded time', () => {
    const l = link();
    for (let seq = 0; seq < HOLD.packets + 3; seq++) l.receiver.receive(l.seal(packet(seq)) as Buffer, 0);
    expect(l.drops.get('hold-full')).toBe(3);
    l.receiver.tick(HOLD.ms);
    expect(l.drops.get('hold-expired')).toBe(0);
    l.receiver.tick(HOLD.ms + 1);
    expect(l.drops.get('hold-expired')).toBe(HOLD.packets);
    l.bind(l.starts[0]!);
    expect(l.heard).toEqual([]);
    l.pass(packet(600));
    expect(l.heard.map(p => p.seq)).toEqual([600]);
  });

  it('is refused a place when forged', () => {
    const l = link();
    const other = new MediaSender(directionKeys(Buffer.alloc(32, 8), 'from-client', 0), Buffer.alloc(8));
    const out = Buffer.alloc(MAX_DATAGRAM);
    const flow = other.flow(AUDIO_TYPE, () => {});
    for (let seq = 0; seq < 1000; seq++)
      l.receiver.receive(out.subarray(0, flow.seal(packet(seq), out) as number), 0);
    expect(l.drops.all()).toEqual(new Map([['forged', 1000]]));
  });
});

describe('a bad packet', () => {
  it('is counted and dropped: every flipped bit, every cut, a replay', () => {
    const l = link();
    l.pass(packet(1));
    const good = l.seal(
      packet(2, 320, {
        level: 40,
        frame: { start: true, end: true, key: false, config: false, temporal: 0 },
      }),
    );
    if (typeof good === 'string') throw new Error(good);
    for (let bit = 0; bit < good.length * 8; bit++) {
      const forged = Buffer.from(good);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      l.receiver.receive(forged, 0);
    }
    for (let cut = 0; cut < good.length; cut++) l.receiver.receive(good.subarray(0, cut), 0);
    expect(l.heard.map(p => p.seq)).toEqual([1]);
    l.receiver.receive(good, 0);
    l.receiver.receive(good, 0);
    expect(l.heard.map(p => p.seq)).toEqual([1, 2]);
    expect(l.drops.get('replayed')).toBeGreaterThanOrEqual(1);
    const counted = [...l.drops.all().values()].reduce((a, b) => a + b, 0);
    expect(counted).toBe(good.length * 9 + 1);
  });

  it('older than the window is too old, just inside it is not', () => {
    const l = link();
    const sealed = new Map<number, Buffer>();
    for (let seq = 1; seq <= 1100; seq++) sealed.set(seq, l.seal(packet(seq)) as Buffer);
    l.bind(l.starts[0]!);
    for (const seq of [1100, 77, 76]) l.receiver.receive(sealed.get(seq)!, 0);
    expect(l.heard.map(p => p.seq)).toEqual([1100, 77]);
    expect(l.drops.get('too-old')).toBe(1);
  });

  it('of the other direction does not open: its keys are its own', () => {
    const l = link();
    const back = new MediaSender(directionKeys(secret, 'from-server', 0), Buffer.alloc(8));
    const out = Buffer.alloc(MAX_DATAGRAM);
    l.bind({ ssrc: 1, seq: 1, pts: 0 });
    const length = back.flow(AUDIO_TYPE, () => {}).seal(packet(1), out) as number;
    l.receiver.receive(out.subarray(0, length), 0);
    expect(l.drops.get('forged')).toBe(1);
    expect(directionKeys(secret, 'from-client', 1)).not.toEqual(keys);
  });
});
