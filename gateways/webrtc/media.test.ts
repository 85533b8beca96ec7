import { beforeEach, describe, expect, test } from 'vitest';
import type { Format, MediaPacket } from '../../src/contract.ts';
import { type Rtcp, readRtcp } from '../../src/proto/rtp/rtcp.ts';
import { RTP_HEADER_BYTES, RtpView, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import { RtpSession } from '../../src/proto/rtp/session.ts';
import { type OfferedMedia, readOffer } from '../../src/proto/webrtc/offer.ts';
import { type LineAsk, makeOffer } from '../../src/proto/webrtc/sdp.testing.ts';
import { FakeSeat } from '../../test/harness/fakes.ts';
import type { MediaEvents, Wire } from './leg-media.ts';
import { AUDIO_LEVEL } from './plan.ts';
import { Player } from './player.ts';
import { Publisher } from './publisher.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48_000, channels: 2 };
const PCMU: Format = { codec: 'PCMU', clockRate: 8000 };
const told: string[] = [];
const events: MediaEvents = {
  state: s => void told.push(s),
  note: text => void told.push(`note ${text}`),
  count: reason => void told.push(`count ${reason}`),
  slots: () => {},
  due: () => {},
  failed: error => {
    throw error;
  },
};
/** Different numbers every time, the same in every run. */
let drawn = 0;
const random = (n: number): Buffer => Buffer.alloc(n, ++drawn);
const makeSession = (): RtpSession => new RtpSession({ cname: 'c', random, unixAtZero: 1.7e12, now: 0 });
const lineOf = (ask: LineAsk): OfferedMedia => readOffer(makeOffer([ask])).media[0]!;

let seat: FakeSeat;
beforeEach(() => {
  seat = new FakeSeat();
  told.length = 0;
  drawn = 0;
});

describe('publisher', () => {
  const codecs = ['111 opus/48000/2', '0 PCMU/8000'];
  const packet = (payloadType: number, seq: number, timestamp: number, payload: Buffer): Buffer => {
    const out = Buffer.alloc(RTP_HEADER_BYTES + payload.length);
    writeRtpHeader(out, payloadType, false, seq, timestamp, 0xabcd);
    payload.copy(out, RTP_HEADER_BYTES);
    return out;
  };
  /** With RFC 6464 level 37 and voice activity in extension 14. */
  const levelled = (seq: number, level: number | undefined): Buffer => {
    const plain = packet(111, seq, seq * 960, Buffer.from('opus'));
    if (level === undefined) return plain;
    plain[0]! |= 0x10;
    const extension = Buffer.from([0xbe, 0xde, 0, 1, 0xe0, 0x80 | level, 0, 0]);
    return Buffer.concat([plain.subarray(0, 12), extension, plain.subarray(12)]);
  };
  const open = async (more: readonly string[] = []) => {
    const line = lineOf({ codecs, more });
    const session = makeSession();
    const publisher = await Publisher.open({
      seat,
      line,
      source: 'mic',
      syncGroup: 'g',
      transportCc: false,
      session,
      events,
      now: 0,
    });
    publisher.start(100);
    return { publisher, line, session, publication: seat.publications[0]! };
  };

  test('takes levels from the header extension; a packet without one is as loud as the one before', async () => {
    const { publisher, line, publication } = await open([`a=extmap:14 ${AUDIO_LEVEL}`]);
    expect(publisher.answer(line)).toMatchObject({ direction: 'recvonly', extensions: [AUDIO_LEVEL] });
    for (const [seq, level] of [
      [1, 37],
      [2, undefined],
      [3, 90],
    ] as const)
      publisher.rtp(levelled(seq, level), 200);
    expect(publication.heard.map(p => p.level)).toEqual([37, 37, 90]);
    expect(told).toEqual(['up']);
  });

  test('measures levels where the browser says none, and follows a change of codec', async () => {
    const { publisher, publication } = await open();
    publisher.rtp(packet(0, 1, 160, Buffer.alloc(160, 0xff)), 200); // µ-law silence
    publisher.rtp(packet(0, 2, 320, Buffer.alloc(160, 0x80)), 220); // µ-law at its loudest
    expect(publication.current).toEqual(PCMU);
    expect(publication.heard.map(p => p.level! + 0)).toEqual([127, 0]);
    expect(publisher.stats()).toMatchObject([{ codec: 'PCMU', packets: 2, firstPacketMs: 200 }]);
    publisher.rtp(packet(77, 3, 0, Buffer.alloc(1)), 230);
    expect(told).toEqual(['up', 'count payload-type']);
    publisher.close();
    expect(publication.closed).toBe(true);
  });

  test('muted, nothing goes to the room', async () => {
    const { publisher, publication } = await open();
    publisher.mute('audio', true);
    publisher.rtp(packet(0, 1, 160, Buffer.alloc(160)), 200);
    expect([publication.paused, publication.heard.length]).toEqual([true, 0]);
    publisher.mute('audio', false);
    publisher.rtp(packet(0, 2, 320, Buffer.alloc(160)), 220);
    expect([publication.paused, publication.heard.length]).toEqual([false, 1]);
  });

  test('silence is told after 5 s, sound again at once; reports say what was received', async () => {
    const { publisher, session } = await open();
    publisher.rtp(packet(0, 10, 160, Buffer.alloc(160)), 200);
    publisher.rtp(packet(0, 12, 480, Buffer.alloc(160)), 240);
    const reports: Rtcp[][] = [];
    for (let now = publisher.deadline; now <= 5240; now = publisher.deadline)
      for (const bytes of publisher.tick(now)) reports.push(readRtcp(bytes) as Rtcp[]);
    expect(told).toEqual(['up', 'silent']);
    expect(reports[0]![0]).toMatchObject({
      type: 'rr',
      ssrc: session.sender.ssrc,
      reports: [{ ssrc: 0xabcd, lost: 1 }],
    });
    publisher.rtp(packet(0, 13, 640, Buffer.alloc(160)), 6000);
    expect(told).toEqual(['up', 'silent', 'up']);
    expect((readRtcp(publisher.bye(6001)[0]!) as Rtcp[]).at(-1)).toMatchObject({ type: 'bye' });
  });

  test('a sender report ties media to the clock of the browser', async () => {
    const { publisher, publication } = await open();
    publisher.rtp(packet(111, 1, 1000, Buffer.from('opus')), 200);
    const sr = {
      type: 'sr',
      ntp: (2_208_988_800n + 5n) << 32n,
      rtpTime: 1480,
      packets: 1,
      octets: 4,
      reports: [],
    } as const;
    publisher.rtcp(
      [
        { ...sr, ssrc: 0xabcd },
        { ...sr, ssrc: 1 },
      ],
      300,
    );
    expect(publication.clocks).toEqual([{ pts: publication.heard[0]!.pts + 480, captureMs: 5000 }]);
  });
});

describe('player', () => {
  const sent: Buffer[] = [];
  const again: Buffer[] = [];
  const wire: Wire = {
    slot: () => Buffer.alloc(1600),
    send(slot, headerBytes, payload) {
      sent.push(Buffer.concat([slot.subarray(0, headerBytes), payload]));
      return headerBytes + payload.length;
    },
    resend: sealed => void again.push(Buffer.from(sealed)),
  };
  const media = (seq: number): MediaPacket => ({
    seq,
    pts: seq * 960,
    marker: false,
    payload: Buffer.from(`p${seq}`),
  });
  const header = (bytes: Buffer): RtpView => {
    const view = new RtpView();
    view.read(bytes);
    return view;
  };
  const open = (ask: LineAsk, count = 1) => {
    const lines = Array.from({ length: count }, () => lineOf({ direction: 'recvonly', ...ask }));
    const player = new Player({
      seat,
      lines,
      member: undefined,
      cname: 'c',
      makeSession,
      wire,
      events,
      changed: () => {},
    });
    player.start();
    return { player, lines };
  };
  beforeEach(() => {
    sent.length = 0;
    again.length = 0;
  });

  test('nothing is sent before something is served; then each format under its own payload type', () => {
    const { player } = open({ codecs: ['111 opus/48000/2', '0 PCMU/8000'] });
    const [s] = seat.subscriptions;
    s!.sink(media(1), 0);
    expect(sent).toEqual([]);
    s!.on({ type: 'serving', format: OPUS, how: 'mix' });
    s!.sink(media(2), 20);
    s!.on({ type: 'serving', format: PCMU, how: 'passthrough' });
    s!.sink(media(900), 40);
    s!.on({ type: 'idle' });
    s!.sink(media(901), 60);
    s!.on({ type: 'serving', format: { codec: 'G722', clockRate: 8000 }, how: 'passthrough' });
    s!.sink(media(902), 80);
    expect(sent.map(b => [header(b).payloadType, header(b).marker])).toEqual([
      [111, true],
      [0, true],
    ]);
    expect(header(sent[1]!).seq).toBe(header(sent[0]!).seq + 1);
    expect(told).toEqual(['up', 'count format-not-negotiated']);
    expect(player.stats()).toMatchObject([{ direction: 'out', packets: 2 }]);
    s!.on({ type: 'unserved', why: { blame: 'server', reason: 'no-such-codec', text: 'No encoder.' } });
    expect(player.stats()[0]!.how).toBe('unserved: no-such-codec');
    expect(told.at(-1)).toBe('note No encoder.');
    player.close();
    expect(s!.closed).toBe(true);
  });

  test('NACK: the same bytes again, not more than 100 at once, nothing for strangers', () => {
    const { player, lines } = open({ more: ['a=rtcp-fb:111 nack'] });
    expect(player.answer(lines[0]!)).toMatchObject({ feedback: ['nack'] });
    const [s] = seat.subscriptions;
    s!.on({ type: 'serving', format: OPUS, how: 'mix' });
    for (let seq = 1; seq <= 3; seq++) s!.sink(media(seq), seq * 20);
    const ssrc = header(sent[1]!).ssrc;
    const nack = (lost: number[], to = ssrc): void =>
      player.rtcp([{ type: 'nack', sender: 1, media: to, lost }], 100);
    nack([header(sent[1]!).seq]);
    // The test's wire seals in another buffer: only the header is the slot's.
    expect(again.map(b => b.subarray(0, 12))).toEqual([sent[1]!.subarray(0, 12)]);
    nack([header(sent[0]!).seq - 1]);
    nack([header(sent[1]!).seq], 999);
    expect(told.slice(1)).toEqual(['count nack-too-late', 'count nack-unknown']);
    nack(Array.from({ length: 150 }, () => header(sent[2]!).seq));
    expect(again.length).toBe(100);
    expect(told.at(-1)).toBe('count nack-too-many');
  });

  test('without NACK in the offer there is none in the answer, and no history', () => {
    const { player } = open({});
    const [s] = seat.subscriptions;
    s!.on({ type: 'serving', format: OPUS, how: 'mix' });
    s!.sink(media(1), 0);
    player.rtcp([{ type: 'nack', sender: 1, media: header(sent[0]!).ssrc, lost: [header(sent[0]!).seq] }], 1);
    expect(again).toEqual([]);
  });

  test('lip-sync: a report ties its slot to when the room says that it is heard', () => {
    const { player } = open({});
    const [s] = seat.subscriptions;
    s!.on({ type: 'serving', format: OPUS, how: 'mix' });
    s!.time = () => 19_900;
    s!.sink(media(1), 20_000);
    const [sr] = readRtcp(player.tick(20_000)[0]!) as Rtcp[];
    expect(sr).toMatchObject({ rtpTime: (header(sent[0]!).timestamp + 100 * 48) >>> 0 });
  });

  test('reports: a sender report for each slot that sent; what the browser says of them is in the stats', () => {
    const { player } = open({}, 2);
    const track = {
      id: 't',
      participant: 'bob',
      source: 'mic',
      format: OPUS,
      canKeyframe: false,
      syncGroup: 'g',
    } as const;
    seat.subscriptions[0]!.on({ type: 'serving', format: OPUS, how: 'passthrough', track });
    seat.subscriptions[0]!.sink(media(1), 0);
    const { ssrc } = header(sent[0]!);
    const reports = player.tick(20_000).map(b => (readRtcp(b) as Rtcp[])[0]!);
    expect(reports).toMatchObject([{ type: 'sr', ssrc, packets: 1 }, { type: 'rr' }]);
    const report = {
      ssrc,
      fractionLost: 0,
      lost: 4,
      highestSeq: 1,
      jitter: 480,
      lastSr: 0,
      delaySinceLastSr: 0,
    };
    player.rtcp([{ type: 'rr', ssrc: 5, reports: [report, { ...report, ssrc: 6 }] }], 20_100);
    expect(player.stats()).toMatchObject([
      { how: 'passthrough of bob', packets: 1, lost: 4, jitterMs: 10 },
      { how: 'idle', packets: 0 },
    ]);
    expect(player.bye(3).length).toBe(2);
    player.rtp();
    expect(told.at(-1)).toBe('count rtp-from-player');
  });
});
