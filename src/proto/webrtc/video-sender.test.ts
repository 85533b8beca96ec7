import { beforeEach, describe, expect, test } from 'vitest';
import type { MediaPacket } from '../../contract.ts';
import { RtpView } from '../rtp/rtp.ts';
import { PacketLog } from './packet-log.ts';
import { restoreRtx } from './rtx.ts';
import { VideoSender, type VideoSenderOptions } from './video-sender.ts';

let drawn = 0;
const random = (n: number): Buffer => Buffer.alloc(n, ++drawn);
const media = (seq: number, o: { key?: boolean; marker?: boolean; text?: string } = {}): MediaPacket => ({
  seq,
  pts: seq * 3000,
  marker: o.marker ?? true,
  payload: Buffer.from(o.text ?? `picture ${seq}`),
  frame: { start: true, end: true, key: o.key ?? false, config: false, temporal: 0 },
});

let log: PacketLog;
const open = (o: Partial<VideoSenderOptions> = {}): VideoSender => {
  const sender = new VideoSender({ random, unixAtZero: 1.7e12, rtx: true, ...o });
  sender.serve(96, 97, log);
  return sender;
};
const out = Buffer.alloc(1600, 0xff);
/** Sends as a player does: the whole packet, or undefined when it is dropped. */
const send = (sender: VideoSender, p: MediaPacket, number = 0, now = 0): Buffer | undefined => {
  if (!sender.take(p, now)) return undefined;
  return Buffer.concat([out.subarray(0, sender.write(p, out, number, now)), p.payload]);
};
const resend = (sender: VideoSender, seq: number, number = 0): Buffer | undefined => {
  if (sender.find(seq) === undefined) return undefined;
  const headerBytes = sender.again(seq, out, number);
  return Buffer.concat([out.subarray(0, headerBytes), sender.againPayload]);
};
const read = (bytes: Buffer | undefined): RtpView => {
  const view = new RtpView();
  expect(bytes && view.read(bytes)).toBeUndefined();
  return view;
};

beforeEach(() => {
  drawn = 0;
  log = new PacketLog();
});

describe('header', () => {
  test('plain, where nothing is negotiated', () => {
    const sender = open({ rtx: false });
    const view = read(send(sender, media(1)));
    expect(view).toMatchObject({ payloadType: 96, ssrc: sender.ssrc, marker: true, payloadStart: 12 });
    expect(sender.rtxSsrc).toBeUndefined();
    expect(Buffer.from(view.payload()).toString()).toBe('picture 1');
  });

  test('transport-wide number on each packet; playout delay on key pictures only', () => {
    const sender = open({ transportCcId: 3, playoutDelayId: 5 });
    const delta = send(sender, media(1), 0xabcd)!;
    const view = read(delta);
    expect(view.payloadStart).toBe(20);
    expect(delta.readUInt16BE(view.extension(3))).toBe(0xabcd);
    expect(view.extension(5)).toBe(-1);
    const key = send(sender, media(2, { key: true }), 7)!;
    const keyView = read(key);
    expect(keyView.payloadStart).toBe(24);
    expect(key.readUInt16BE(keyView.extension(3))).toBe(7);
    // 12 bits at least 0, 12 bits at most 500 ms
    expect([...key.subarray(keyView.extension(5), keyView.extension(5) + 3)]).toEqual([0, 0, 50]);
    expect(Buffer.from(keyView.payload()).toString()).toBe('picture 2');
  });
});

describe('one line', () => {
  test('goes on over a change of source, under another payload type', () => {
    const sender = open();
    const a = read(send(sender, media(1000), 0, 0));
    sender.serve(98, 99, log);
    const b = read(send(sender, media(5), 0, 100));
    expect([b.seq - a.seq, b.timestamp - a.timestamp, b.payloadType]).toEqual([1, 9000, 98]);
  });

  test('no number goes out twice: what is late for its source, or came before, is dropped', () => {
    const sender = open();
    const seqs = [10, 11, 13, 12, 12].map(seq => send(sender, media(seq)));
    const first = read(seqs[0]).seq;
    expect(seqs.map(b => b && read(b).seq - first)).toEqual([0, 1, 3, 2, undefined]);
    sender.serve(96, 97, log);
    expect(read(send(sender, media(50))).seq - first).toBe(4);
    expect(send(sender, media(49))).toBeUndefined(); // it would have the number 3 of the source before
    expect(send(sender, media(4, { text: 'x'.repeat(1500) }))).toBeUndefined();
  });
});

describe('retransmission', () => {
  test('in a stream of its own, and put together again it is the packet', () => {
    const sender = open({ transportCcId: 3, playoutDelayId: 5 });
    const sent = [1, 2, 3].map(seq => send(sender, media(seq, { key: true, marker: seq === 2 }))!);
    const original = read(sent[1]);
    const again = [1, 2].map(number => resend(sender, original.seq, number)!);
    const views = again.map(b => read(b));
    expect(views.map(v => [v.payloadType, v.ssrc, v.marker, v.timestamp])).toEqual([
      [97, sender.rtxSsrc, true, original.timestamp],
      [97, sender.rtxSsrc, true, original.timestamp],
    ]);
    expect(views[1]!.seq - views[0]!.seq).toBe(1);
    expect(again[1]!.readUInt16BE(views[1]!.extension(3))).toBe(2);
    const restored = new Uint8Array(1600);
    const length = restoreRtx(views[0]!, 96, sender.ssrc, restored);
    const view = read(Buffer.from(restored.subarray(0, length)));
    expect([view.seq, view.ssrc, view.payloadType, view.timestamp, view.marker]).toEqual([
      original.seq,
      original.ssrc,
      96,
      original.timestamp,
      true,
    ]);
    expect(Buffer.from(view.payload()).toString()).toBe('picture 2');
  });

  test('without one, it is the same packet bit by bit', () => {
    const sender = open({ rtx: false });
    const sent = [1, 2, 3].map(seq => send(sender, media(seq))!);
    expect(resend(sender, read(sent[1]).seq)).toEqual(sent[1]);
  });

  test('what is gone, was never sent, or is of another source is not found', () => {
    const sender = open();
    const first = read(send(sender, media(0))).seq;
    for (let i = 1; i < 600; i++) send(sender, media(i), 0, i);
    expect(resend(sender, first)).toBeUndefined();
    expect(resend(sender, first + 600)).toBeUndefined();
    expect(resend(sender, first + 599)).toBeDefined();
    sender.serve(96, 97, log);
    expect(resend(sender, first + 599)).toBeUndefined();
  });

  test('many viewers share one copy', () => {
    const viewers = Array.from({ length: 50 }, () => open());
    const empty = log.size;
    const seqs = viewers.map(() => 0);
    for (let i = 0; i < 100; i++)
      for (const [v, viewer] of viewers.entries())
        seqs[v] = read(send(viewer, media(i, { text: `${i}` }), 0, i)).seq;
    expect(log.size).toBe(empty);
    for (const [v, viewer] of viewers.entries())
      expect(Buffer.from(viewer.find(seqs[v]!)!).toString()).toBe('99');
  });
});

test('an empty retransmission is a probe and stands for nothing', () => {
  const view = read(Buffer.from('8061000100000000000000010007', 'hex'));
  expect(restoreRtx(view, 96, 1, new Uint8Array(100))).toBe(0);
  const one = read(Buffer.from('806100010000000000000001000741', 'hex'));
  expect(restoreRtx(one, 96, 1, new Uint8Array(12))).toBe(0); // no room
  expect(restoreRtx(one, 96, 1, new Uint8Array(13))).toBe(13);
});
