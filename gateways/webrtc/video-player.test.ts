import { beforeEach, describe, expect, test } from 'vitest';
import type { Format, LegEvent, MediaPacket, TrackInfo } from '../../src/contract.ts';
import { type Rtcp, readRtcp } from '../../src/proto/rtp/rtcp.ts';
import { RtpView } from '../../src/proto/rtp/rtp.ts';
import { PLAYOUT_DELAY, TRANSPORT_CC } from '../../src/proto/webrtc/extensions.ts';
import { readOffer } from '../../src/proto/webrtc/offer.ts';
import { makeOffer } from '../../src/proto/webrtc/sdp.testing.ts';
import { Arrivals } from '../../src/proto/webrtc/twcc.ts';
import { FakeSeat } from '../../test/harness/fakes.ts';
import type { MediaEvents, Wire } from './leg-media.ts';
import { PacketLogs } from './packet-logs.ts';
import { pictureWants, playedLines } from './plan.ts';
import { Playing } from './playing.ts';
import { VideoPlayer } from './video-player.ts';

const VP8: Format = { codec: 'VP8', clockRate: 90_000, fmtp: { 'x-size': '640x480' } };
const H264: Format = {
  codec: 'H264',
  clockRate: 90_000,
  fmtp: { 'profile-level-id': '42e01f', 'packetization-mode': '1', 'x-size': '320x240' },
};
const REPORT = { lost: 0, highestSeq: 0, jitter: 0, lastSr: 0, delaySinceLastSr: 0 };
const told: string[] = [];
const slots: LegEvent[] = [];
const sent: Buffer[] = [];
const events: MediaEvents = {
  state: s => void told.push(s),
  note: text => void told.push(`note ${text}`),
  count: reason => void told.push(`count ${reason}`),
  slots: e => void slots.push(e),
  due: () => {},
  failed: error => {
    throw error;
  },
};
const wire: Wire = {
  slot: () => Buffer.alloc(1600),
  send(slot, headerBytes, payload) {
    sent.push(Buffer.concat([slot.subarray(0, headerBytes), payload]));
    return headerBytes + payload.length;
  },
  resend: () => {},
};
let logs: PacketLogs;
let seat: FakeSeat;

const codecs = ['96 VP8/90000', '97 rtx/90000', '102 H264/90000', '103 rtx/90000'];
const more = [
  'a=fmtp:97 apt=96',
  'a=fmtp:102 packetization-mode=1;profile-level-id=42e01f',
  'a=fmtp:103 apt=102',
  'a=rtcp-fb:* nack',
  `a=extmap:3 ${TRANSPORT_CC}`,
  `a=extmap:5 ${PLAYOUT_DELAY}`,
];

function open(count: number, o: { codecs?: string[]; now?: number } = {}) {
  const line = { kind: 'video', direction: 'recvonly', codecs: o.codecs ?? codecs, more };
  const { pictures: lines } = playedLines(
    readOffer(makeOffer(Array.from({ length: count }, () => line))),
    ['H264', 'VP8'],
    16,
  );
  let drawn = 0;
  let video: VideoPlayer | undefined;
  const playing = new Playing({
    sound: undefined,
    pictures: changed =>
      (video = new VideoPlayer({
        seat,
        lines,
        wants: pictureWants(lines, undefined),
        streams: lines.map((_, i) => `s${i}`),
        cname: 'c',
        random: n => Buffer.from(Array.from({ length: n }, () => ++drawn)),
        unixAtZero: 1.7e12,
        logs,
        wire,
        events,
        changed,
        now: o.now ?? 0,
      })),
    content: count > 1,
    tellsSlots: true,
    events,
  });
  playing.start();
  return { playing, video: video!, lines };
}
const track = (id: string, participant: string, format: Format): TrackInfo => ({
  id,
  participant,
  source: 'camera',
  format,
  canKeyframe: true,
  syncGroup: 'g',
});
const serve = (at: number, participant: string, format: Format, how = 'passthrough'): void =>
  seat.subscriptions[at]!.on({
    type: 'serving',
    track: track(`t-${participant}`, participant, format),
    format,
    how,
  });
const media = (seq: number, size = 100, key = false): MediaPacket => ({
  seq,
  pts: seq * 3000,
  marker: true,
  payload: new Uint8Array(size).fill(seq),
  frame: { start: true, end: true, key, config: false, temporal: 0 },
});
const header = (bytes: Buffer): RtpView => {
  const view = new RtpView();
  expect(view.read(bytes)).toBeUndefined();
  return view;
};

beforeEach(() => {
  seat = new FakeSeat();
  logs = new PacketLogs();
  for (const list of [told, slots, sent]) list.length = 0;
});

describe('what goes out', () => {
  test('each format under its own payload type, on one line of numbers', () => {
    const { playing } = open(1);
    const [s] = seat.subscriptions;
    s!.sink(media(1), 0); // nothing is served yet
    serve(0, 'bob', VP8);
    s!.sink(media(5), 0);
    serve(0, 'carol', H264);
    s!.sink(media(900), 40);
    const views = sent.map(header);
    expect(views.map(v => v.payloadType)).toEqual([96, 102]);
    expect([views[1]!.seq - views[0]!.seq, views[1]!.timestamp - views[0]!.timestamp]).toEqual([1, 3600]);
    expect(playing.stats()).toMatchObject([
      {
        media: 'video',
        direction: 'out',
        codec: 'H264',
        how: 'passthrough of carol',
        width: 320,
        height: 240,
      },
    ]);
    expect(told).toEqual(['up']);
  });

  test('the answer: own streams for each line, feedback and extensions as offered', () => {
    const { playing, lines } = open(2);
    const answers = lines.map(l => playing.answer(l.line)!);
    expect(answers.map(a => [a.rtx, a.source?.stream])).toEqual([
      [true, 's0'],
      [true, 's1'],
    ]);
    expect(answers[0]!.extensions).toEqual([TRANSPORT_CC, PLAYOUT_DELAY]);
    expect(new Set(answers.flatMap(a => [a.source!.ssrc, a.source!.rtxSsrc])).size).toBe(4);
    const bare = open(1, { codecs: ['96 VP8/90000'] });
    expect(bare.playing.answer(bare.lines[0]!.line)).toMatchObject({ rtx: false, extensions: [] });
  });

  test('logs are shared by all who are sent a track, and given back', () => {
    const one = open(1);
    const other = open(1);
    for (const at of [0, 1]) serve(at, 'bob', VP8);
    expect(logs.size).toBe(1);
    seat.subscriptions[0]!.on({ type: 'idle' });
    expect(logs.size).toBe(1);
    for (const { playing } of [one, other]) playing.close();
    expect(logs.size).toBe(0);
    expect(seat.subscriptions.every(s => s.closed)).toBe(true);
  });
});

describe('what comes back', () => {
  const ssrcOf = (at: number): number => header(sent[at]!).ssrc;

  test('keyframe requests, by PLI and FIR: each FIR once, a flood is cut', () => {
    const { playing } = open(2);
    for (const at of [0, 1]) serve(at, 'bob', VP8);
    for (const s of seat.subscriptions) s.sink(media(1), 0);
    const asked = (at: number) => seat.subscriptions[at]!.asked.filter(f => f.type === 'keyframe').length;
    playing.rtcp([{ type: 'pli', sender: 1, media: ssrcOf(1) }], 0);
    expect([asked(0), asked(1)]).toEqual([0, 1]);
    const fir = (seq: number): Rtcp => ({ type: 'fir', sender: 1, entries: [{ ssrc: ssrcOf(0), seq }] });
    playing.rtcp([fir(7), fir(7), fir(8), { type: 'fir', sender: 1, entries: [{ ssrc: 99, seq: 1 }] }], 0);
    expect(asked(0)).toBe(2);
    for (let i = 0; i < 100; i++) playing.rtcp([{ type: 'pli', sender: 1, media: ssrcOf(1) }], 100);
    expect(asked(1)).toBeLessThanOrEqual(6);
    expect(playing.stats()[0]).toMatchObject({ keyframesAsked: 2 });
  });

  test('what is lost is sent again, as a retransmission with its own number on the transport', () => {
    const { playing } = open(1);
    serve(0, 'bob', VP8);
    for (let i = 0; i < 4; i++) seat.subscriptions[0]!.sink(media(i), i);
    const [, second] = sent.map(header);
    playing.rtcp(
      [{ type: 'nack', sender: 1, media: second!.ssrc, lost: [second!.seq, second!.seq + 900] }],
      50,
    );
    const again = header(sent[4]!);
    expect([again.payloadType, sent[4]!.readUInt16BE(again.payloadStart)]).toEqual([97, second!.seq]);
    expect(sent[4]!.subarray(again.payloadStart + 2)).toEqual(Buffer.from(second!.payload()));
    expect(sent[4]!.readUInt16BE(again.extension(3))).toBe(4);
    expect(told).toContain('count nack-too-late');
    playing.rtcp([{ type: 'nack', sender: 1, media: 5, lost: [1, 2] }], 50);
    const many = Array.from({ length: 400 }, () => second!.seq);
    playing.rtcp([{ type: 'nack', sender: 1, media: second!.ssrc, lost: many }], 50);
    expect(sent.length).toBeLessThanOrEqual(5 + 300);
    expect(told).toContain('count nack-too-many');
  });

  test('a wide line: the room hears of no limit', () => {
    const { playing } = open(1);
    serve(0, 'bob', VP8);
    const arrivals = new Arrivals();
    for (let now = 0, seq = 0; now < 4000; now += 20) {
      seat.subscriptions[0]!.sink(media(seq++, 1200), now);
      const bytes = sent.at(-1)!;
      arrivals.arrived(bytes.readUInt16BE(header(bytes).extension(3)), now + 15);
      if (now % 100 === 60) playing.rtcp(arrivals.feedback(1, 2), now + 30);
      if (now >= playing.deadline) playing.tick(now);
    }
    expect(seat.subscriptions[0]!.asked).toEqual([]);
  });

  test('a narrow line: the room hears what each picture may take, once a second at most', () => {
    const { playing } = open(3);
    serve(0, 'bob', VP8);
    serve(1, 'carol', VP8);
    const arrivals = new Arrivals();
    let free = 0;
    let seq = 0;
    let heard = 0;
    for (let now = 0; now < 6000; now += 20) {
      seat.subscriptions[0]!.sink(media(seq++, 1200), now);
      if (now % 100 === 0) seat.subscriptions[1]!.sink(media(seq, 100), now);
      // The way passes 300 kbit/s.
      for (; heard < sent.length; heard++) {
        const view = header(sent[heard]!);
        free = Math.max(free, now) + (sent[heard]!.length * 8) / 300;
        arrivals.arrived(sent[heard]!.readUInt16BE(view.extension(3)), free);
      }
      if (now % 100 === 60) playing.rtcp(arrivals.feedback(1, 2), now);
      if (now >= playing.deadline) playing.tick(now);
    }
    const [bob, carol, content] = seat.subscriptions.map(s =>
      s.asked.flatMap(f => (f.type === 'bitrate' ? [f.bps] : [])),
    );
    expect(bob!.length).toBeGreaterThan(1);
    expect(bob!.length).toBeLessThanOrEqual(6);
    expect(bob!.at(-1)).toBeLessThan(320_000);
    expect(bob!.at(-1)).toBeGreaterThan(carol!.at(-1)!);
    expect(content).toEqual([]);
  });

  test('a browser that measures nothing: what it lost tells', () => {
    const { playing } = open(1, { codecs: ['96 VP8/90000'] }); // without retransmission no header extensions
    serve(0, 'bob', VP8);
    let seq = 0;
    const seconds = (n: number, fractionLost: number): void => {
      for (const end = seq + n * 50; seq < end; seq++) {
        seat.subscriptions[0]!.sink(media(seq, 1200), seq * 20);
        if (seq % 50 !== 49) continue;
        playing.tick(seq * 20);
        const reports = [{ ...REPORT, ssrc: ssrcOf(0), fractionLost }];
        playing.rtcp([{ type: 'rr', ssrc: 1, reports }], seq * 20);
      }
    };
    const asked = (): number[] =>
      seat.subscriptions[0]!.asked.flatMap(f => (f.type === 'bitrate' ? [f.bps] : []));
    seconds(5, 2);
    expect(asked()).toEqual([]);
    seconds(2, 128);
    expect(asked().at(-1)).toBeLessThan(300_000);
    expect(asked().at(-1)).toBeGreaterThan(50_000);
    seconds(60, 0);
    expect(asked().at(-1)).toBe(1_000_000_000);
  });

  test('lip-sync: a sender report ties its line to when the room says that it is seen', () => {
    const { playing } = open(1);
    serve(0, 'bob', VP8);
    seat.subscriptions[0]!.time = pts => 600 + pts / 90;
    seat.subscriptions[0]!.sink({ ...media(1), pts: 900 }, 900);
    const [sr] = readRtcp(playing.tick(1000)[0]!) as Rtcp[];
    expect(sr).toMatchObject({ rtpTime: (header(sent[0]!).timestamp + 390 * 90) >>> 0 });
  });

  test('what the room cannot give is told, and the picture goes on', () => {
    const { playing } = open(1);
    serve(0, 'bob', VP8);
    const why = { blame: 'server', reason: 'no-grid', text: 'There is no grid here.' } as const;
    seat.subscriptions[0]!.on({ type: 'lacking', why });
    seat.subscriptions[0]!.sink(media(1), 0);
    expect(sent.length).toBe(1);
    expect(told).toContain('note There is no grid here.');
    expect(playing.stats()).toMatchObject([{ how: 'passthrough of bob' }]);
  });

  test('sender reports of the lines that were used', () => {
    const { playing } = open(2);
    serve(1, 'bob', VP8);
    seat.subscriptions[1]!.sink(media(1), 900);
    expect(playing.deadline).toBeLessThanOrEqual(1000);
    const reports = playing.tick(1000).map(b => readRtcp(b) as Rtcp[]);
    expect(reports.map(r => r.map(p => p.type))).toEqual([['sr', 'sdes']]);
    expect(reports[0]![0]).toMatchObject({ ssrc: ssrcOf(0), packets: 1, octets: 100 });
    expect(playing.bye(1100).map(b => (readRtcp(b) as Rtcp[]).at(-1)?.type)).toEqual(['bye', 'bye']);
  });
});

describe('who is where', () => {
  test('told at the start, and after changes, five times a second at most', () => {
    const { playing } = open(3);
    expect(playing.deadline).toBeLessThan(0);
    playing.tick(0);
    expect(slots).toEqual([{ type: 'slots', audio: [], video: [null, null], content: null }]);
    serve(0, 'bob', VP8);
    serve(2, 'carol', VP8);
    expect(playing.deadline).toBe(200);
    playing.tick(200);
    expect(slots.at(-1)).toEqual({ type: 'slots', audio: [], video: ['bob', null], content: 'carol' });
    serve(0, 'bob', H264); // the same member in another format is no news
    seat.subscriptions[2]!.on({ type: 'idle' });
    playing.tick(400);
    expect(slots.at(-1)).toEqual({ type: 'slots', audio: [], video: ['bob', null], content: null });
    expect(slots.length).toBe(3);
    playing.tick(1000);
    expect(slots.length).toBe(3);
  });
});
