/** A browser that sends and one that receives, with bad networks before and behind us; all in virtual time. */
import { describe, expect, test } from 'vitest';
import type { LegEvent, MediaPacket, TrackInfo } from '../../src/contract.ts';
import { type Rtcp, readRtcp } from '../../src/proto/rtp/rtcp.ts';
import { RTP_HEADER_BYTES, RtpView, writeRtpHeader } from '../../src/proto/rtp/rtp.ts';
import { readOffer } from '../../src/proto/webrtc/offer.ts';
import { makeOffer } from '../../src/proto/webrtc/sdp.testing.ts';
import { type FakePublication, FakeSeat } from '../../test/harness/fakes.ts';
import type { MediaEvents, Wire } from './leg-media.ts';
import { PacketLogs } from './packet-logs.ts';
import { pictureWants, playedLines, publishedLines } from './plan.ts';
import { Playing } from './playing.ts';
import { VideoPlayer } from './video-player.ts';
import { VideoPublisher } from './video-publisher.ts';

const codecs = ['96 VP8/90000', '97 rtx/90000'];
const more = ['a=fmtp:97 apt=96', 'a=rtcp-fb:96 nack', 'a=rtcp-fb:96 nack pli'];
const offerOf = (direction: string) => readOffer(makeOffer([{ kind: 'video', direction, codecs, more }]));
const SSRC = 0x1111;
const RTX_SSRC = 0x2222;

/** VP8 of RFC 7741 as small as it can be: X, S, PID 0; a keyframe begins with its start code and size. */
const vp8 = (key: boolean, filling: number, begins: boolean): Buffer =>
  begins
    ? Buffer.concat([
        Buffer.from([0x10]),
        Buffer.from(key ? '10000 09d012a80026801'.replace(' ', '') : '11000 0'.replace(' ', ''), 'hex'),
        Buffer.alloc(40, filling),
      ])
    : Buffer.concat([Buffer.from([0x00]), Buffer.alloc(40, filling)]);

interface Due {
  readonly at: number;
  readonly run: () => void;
}

/** What is published is played at once. */
class EchoSeat extends FakeSeat {
  override publish(...[track, on]: Parameters<FakeSeat['publish']>): FakePublication {
    const publication = super.publish(track, on);
    const [viewer] = this.subscriptions;
    const info: TrackInfo = { ...track, id: 't', participant: 'alice' };
    viewer!.on({ type: 'serving', track: info, format: track.format, how: 'passthrough' });
    const keep = publication.sink;
    return Object.assign(publication, {
      sink: (p: MediaPacket, now: number) => {
        keep(p, now);
        viewer!.sink(p, now);
      },
    });
  }
}

class World {
  now = 1000;
  readonly #queue: Due[] = [];
  readonly counts: string[] = [];
  readonly slots: LegEvent[] = [];
  readonly seat = new EchoSeat();
  readonly publisher: VideoPublisher;
  readonly player: Playing;
  readonly video: VideoPlayer;
  readonly #random: () => number;
  readonly #loss: number;
  /** As the viewer has them: by sequence number, retransmissions put back. */
  readonly got = new Map<number, Buffer>();
  readonly sent: Buffer[] = [];
  keyframesAsked = 0;
  #key = true;
  #seq = 65_500;
  #rtxSeq = 1;
  #viewerHighest: number | undefined;
  #ssrc = -1;

  constructor(o: { loss: number; seed: number }) {
    let state = o.seed;
    this.#random = () => (state = (state * 16_807) % 2_147_483_647) / 2_147_483_647;
    this.#loss = o.loss;
    const events: MediaEvents = {
      state: () => {},
      note: () => {},
      count: reason => void this.counts.push(reason),
      slots: e => void this.slots.push(e),
      due: () => {},
      failed: error => {
        throw error;
      },
    };
    const sending = offerOf('sendonly');
    this.publisher = new VideoPublisher({
      ...publishedLines(sending, ['VP8']).pictures[0]!,
      seat: this.seat,
      source: 'camera',
      syncGroup: 'g',
      ssrc: 9,
      cname: 'c',
      events,
      now: this.now,
    });
    const wire: Wire = {
      slot: () => Buffer.alloc(1600),
      send: (slot, headerBytes, payload) => {
        const bytes = Buffer.concat([slot.subarray(0, headerBytes), payload]);
        this.#hop(() => this.#viewed(bytes));
        return bytes.length;
      },
      resend: () => {},
    };
    const lines = playedLines(offerOf('recvonly'), ['VP8'], 4).pictures;
    let random = 0;
    let video: VideoPlayer | undefined;
    this.player = new Playing({
      sound: undefined,
      pictures: changed =>
        (video = new VideoPlayer({
          seat: this.seat,
          lines,
          wants: pictureWants(lines, undefined),
          streams: ['a'],
          cname: 'c',
          random: n => Buffer.alloc(n, ++random),
          unixAtZero: 0,
          logs: new PacketLogs(),
          wire,
          events,
          changed,
          now: this.now,
        })),
      content: false,
      tellsSlots: true,
      events,
    });
    this.video = video!;
    this.publisher.start(this.now);
    this.player.start();
  }

  /** Later, or never. */
  #hop(run: () => void): void {
    if (this.#random() >= this.#loss)
      this.#queue.push({ at: this.now + 20 + Math.floor(this.#random() * 4), run });
  }

  /** 25 pictures a second of four packets each. */
  run(seconds: number): void {
    const end = this.now + seconds * 1000;
    let pictureAt = this.now;
    for (; this.now < end; this.now++) {
      for (const due of this.#queue.filter(d => d.at <= this.now).sort((a, b) => a.at - b.at)) {
        this.#queue.splice(this.#queue.indexOf(due), 1);
        due.run();
      }
      this.#ticks();
      if (this.now < pictureAt) continue;
      pictureAt += 40;
      this.#picture();
    }
  }

  /** Nothing is lost any more, and what is missing comes. */
  drain(): void {
    for (const end = this.now + 1500; this.now < end; this.now++) {
      for (const due of this.#queue.filter(d => d.at <= this.now)) {
        this.#queue.splice(this.#queue.indexOf(due), 1);
        due.run();
      }
      this.#ticks();
    }
  }

  #ticks(): void {
    if (this.now >= this.publisher.deadline)
      for (const b of this.publisher.tick(this.now)) this.#hop(() => this.#asked(readRtcp(b) as Rtcp[]));
    if (this.now >= this.player.deadline) this.player.tick(this.now);
    this.#viewerAsks();
  }

  #picture(): void {
    const key = this.#key;
    this.#key = false;
    for (let i = 0; i < 4; i++) {
      const payload = vp8(key, this.sent.length, i === 0);
      const bytes = Buffer.alloc(RTP_HEADER_BYTES + payload.length);
      writeRtpHeader(bytes, 96, i === 3, this.#seq++, Math.round(this.now * 90), SSRC);
      payload.copy(bytes, RTP_HEADER_BYTES);
      this.sent.push(bytes);
      this.#hop(() => this.publisher.rtp(bytes, this.now));
    }
  }

  /** What the sending browser does with our RTCP. */
  #asked(packets: readonly Rtcp[]): void {
    for (const p of packets) {
      if (p.type === 'pli') {
        this.#key = true;
        this.keyframesAsked++;
      }
      if (p.type !== 'nack') continue;
      expect([p.sender, p.media]).toEqual([9, SSRC]);
      for (const seq of p.lost) {
        const original = this.sent.find(b => b.readUInt16BE(2) === seq)!;
        const bytes = Buffer.concat([
          original.subarray(0, RTP_HEADER_BYTES),
          original.subarray(2, 4),
          original.subarray(RTP_HEADER_BYTES),
        ]);
        bytes[1] = (bytes[1]! & 0x80) | 97;
        bytes.writeUInt16BE(this.#rtxSeq++, 2);
        bytes.writeUInt32BE(RTX_SSRC, 8);
        this.#hop(() => this.publisher.rtp(bytes, this.now));
      }
    }
  }

  #viewed(bytes: Buffer): void {
    const view = new RtpView();
    expect(view.read(bytes)).toBeUndefined();
    const rtx = view.payloadType === 97;
    const seq = rtx ? bytes.readUInt16BE(view.payloadStart) : view.seq;
    const payload = Buffer.from(view.payload().subarray(rtx ? 2 : 0));
    if (!rtx) this.#ssrc = view.ssrc;
    const known = this.got.get(seq);
    if (known !== undefined) expect(payload.equals(known)).toBe(true);
    this.got.set(seq, payload);
    if (this.#viewerHighest === undefined || seq > this.#viewerHighest) this.#viewerHighest = seq;
  }

  /** Every 50 ms the viewer asks for all it has not got. */
  #viewerAsks(): void {
    if (this.now % 50 !== 0 || this.#viewerHighest === undefined) return;
    const first = Math.min(...this.got.keys());
    const lost: number[] = [];
    for (let seq = first; seq < this.#viewerHighest; seq++) if (!this.got.has(seq)) lost.push(seq);
    if (lost.length > 0)
      this.#hop(() => this.player.rtcp([{ type: 'nack', sender: 1, media: this.#ssrc, lost }], this.now));
  }
}

describe('with losses on both hops', () => {
  test.each([
    [0, 1],
    [0.05, 2],
    [0.15, 3],
  ])('of %f, everything arrives whole and in its place', (loss, seed) => {
    const world = new World({ loss, seed });
    world.run(10);
    world.drain();
    const [publication] = world.seat.publications;
    const heard = publication!.heard;
    // What the room got is what the browser sent, in its numbers and with its marks.
    const bySeq = new Map(heard.map(p => [p.seq, Buffer.from(p.payload)]));
    const first = Math.min(...bySeq.keys());
    const begins = world.sent.findIndex(b => b.subarray(RTP_HEADER_BYTES).equals(bySeq.get(first)!));
    for (const [seq, payload] of bySeq)
      expect(payload.equals(world.sent[begins + seq - first]!.subarray(RTP_HEADER_BYTES))).toBe(true);
    expect(bySeq.size).toBeGreaterThan(world.sent.length - begins - 8); // the last have nothing behind them
    expect(heard[0]!.frame).toMatchObject({ start: true, key: true });
    expect(publication!.current.fmtp).toEqual({ 'x-size': '640x360' });
    const [stats] = world.publisher.stats();
    expect(stats).toMatchObject({ media: 'video', codec: 'VP8', width: 640, height: 360 });
    expect(stats!.lost).toBeLessThan(8);
    // So did the viewer.
    const seqs = [...world.got.keys()].sort((a, b) => a - b);
    expect(seqs.length).toBeGreaterThan(bySeq.size - 20);
    expect(seqs.at(-1)! - seqs[0]! + 1 - seqs.length).toBeLessThan(8);
    expect(world.slots).toContainEqual({ type: 'slots', audio: [], video: ['alice'], content: null });
    if (loss === 0) expect([world.counts, world.keyframesAsked]).toEqual([[], 0]);
  });

  test('the first keyframe lost: another is asked for', () => {
    const world = new World({ loss: 0, seed: 1 });
    const pass = world.publisher.rtp.bind(world.publisher);
    let passed = 0;
    world.publisher.rtp = (bytes, now) => {
      if (++passed > 4) pass(bytes, now);
    };
    world.run(2);
    expect(world.keyframesAsked).toBe(1);
    expect(world.seat.publications[0]!.heard[0]!.frame).toMatchObject({ start: true, key: true });
  });

  test('keyframes the room asks for reach the browser, three a second at most', () => {
    const world = new World({ loss: 0, seed: 1 });
    world.run(1);
    for (let i = 0; i < 100; i++) {
      world.seat.publications[0]!.ask({ type: 'keyframe' });
      world.run(0.01);
    }
    world.run(0.5);
    expect(world.keyframesAsked).toBeGreaterThanOrEqual(3);
    expect(world.keyframesAsked).toBeLessThanOrEqual(5);
    expect(world.publisher.stats()[0]!.keyframesAsked).toBe(world.keyframesAsked);
  });
});
