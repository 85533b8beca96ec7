import { describe, expect, test } from 'vitest';
import { ntpOf, type Rtcp, readRtcp } from '../../src/proto/rtp/rtcp.ts';
import type { FakeSeat } from '../../test/harness/fakes.ts';
import { asks, openPictures, rtp, simulcast, typesOf, vp8 } from './pictures.testing.ts';
import type { VideoPublisher } from './video-publisher.ts';

describe('one stream', () => {
  test('is published with its first keyframe, which is asked for', () => {
    const { publisher, seat, told } = openPictures();
    publisher.rtp(rtp(1, 1, vp8(undefined)), 10);
    expect([seat.publications.length, told]).toEqual([0, ['up']]);
    expect(asks(publisher, 10, 30)).toEqual([{ type: 'pli', sender: 9, media: 1 }]);
    publisher.rtp(rtp(1, 2, vp8(640)), 40);
    expect(seat.publications[0]!.track).toEqual({
      source: 'camera',
      format: { codec: 'VP8', clockRate: 90_000, fmtp: { 'x-size': '640x480' } },
      canKeyframe: true,
      syncGroup: 'g',
    });
    expect(seat.publications[0]!.heard.map(p => [p.marker, p.frame])).toEqual([
      [true, { start: true, end: true, key: true, config: false, temporal: 0 }],
    ]);
    expect(typesOf(asks(publisher, 40, 900))).toEqual([]);
  });

  test('another size is another format; the track stays', () => {
    const { publisher, seat } = openPictures();
    publisher.rtp(rtp(1, 1, vp8(640)), 0);
    publisher.rtp(rtp(1, 2, vp8(320)), 40);
    expect(seat.publications.length).toBe(1);
    expect(seat.publications[0]!.current.fmtp).toEqual({ 'x-size': '320x480' });
    expect(publisher.stats()).toMatchObject([{ width: 320, height: 480, packets: 2 }]);
  });

  test('empty packets leave no hole', () => {
    const { publisher, seat } = openPictures();
    for (const [seq, payload] of [vp8(640), vp8(undefined), Buffer.alloc(0), vp8(undefined)].entries())
      publisher.rtp(rtp(1, 10 + seq, payload), seq * 10);
    const [first, ...rest] = seat.publications[0]!.heard.map(p => p.seq);
    expect(rest.map(seq => seq - first!)).toEqual([1, 2]);
  });

  test('without PLI in the offer, FIR with a new number each time', () => {
    const { publisher, seat, told } = openPictures({ plain: true });
    publisher.rtp(rtp(1, 1, vp8(640)), 0);
    const asked: Rtcp[] = [];
    for (const at of [0, 400]) {
      seat.publications[0]!.ask({ type: 'keyframe' });
      asked.push(...asks(publisher, at, at + 20));
    }
    expect(asked).toEqual([
      { type: 'fir', sender: 9, entries: [{ ssrc: 1, seq: 0 }] },
      { type: 'fir', sender: 9, entries: [{ ssrc: 1, seq: 1 }] },
    ]);
    expect(told.filter(t => t === 'due').length).toBe(2);
  });

  test('sender reports tie pictures to the clock of the browser, also one before the first picture', () => {
    const { publisher, seat } = openPictures();
    const sr = (rtpTime: number, unixMs: number): Rtcp => ({
      type: 'sr',
      ssrc: 1,
      ntp: ntpOf(unixMs),
      rtpTime,
      packets: 1,
      octets: 1,
      reports: [],
    });
    publisher.rtp(rtp(1, 1, vp8(undefined)), 0);
    publisher.rtcp([sr(3000, 5000)], 1);
    publisher.rtp(rtp(1, 2, vp8(640)), 40);
    publisher.rtcp([sr(6900, 5043)], 45);
    const { heard, clocks } = seat.publications[0]!;
    expect(clocks.map(c => [c.pts - heard[0]!.pts, Math.round(c.captureMs)])).toEqual([
      [-3000, 5000],
      [900, 5043],
    ]);
  });

  test('a camera that is turned off leaves no frozen picture; muted, nothing goes to the room', () => {
    const { publisher, seat, told } = openPictures();
    publisher.rtp(rtp(1, 1, vp8(640)), 0);
    const [publication] = seat.publications;
    asks(publisher, 0, 5100);
    expect([publication!.paused, told]).toEqual([true, ['up', 'silent']]);
    publisher.rtp(rtp(1, 2, vp8(undefined), { ts: 500_000 }), 6000);
    expect([publication!.paused, told.at(-1)]).toEqual([false, 'up']);
    publisher.mute('audio', true);
    expect(publication!.paused).toBe(false);
    publisher.mute('video', true);
    publisher.rtp(rtp(1, 3, vp8(undefined), { ts: 503_000 }), 6040);
    expect([publication!.paused, publication!.heard.length]).toEqual([true, 2]);
    publisher.mute('video', false);
    expect(typesOf(asks(publisher, 6050, 6100))).toEqual(['pli']);
    publisher.close();
    expect(publication!.closed).toBe(true);
  });

  test('what the room can take is told at once, again with each report, and when it is over', () => {
    const { publisher, seat } = openPictures({ extra: ['a=rtcp-fb:96 goog-remb'] });
    publisher.rtp(rtp(7, 1, vp8(640)), 0);
    const rembs = (from: number, to: number): unknown[] =>
      asks(publisher, from, to).flatMap(p => (p.type === 'remb' ? [[p.bps, p.ssrcs]] : []));
    expect(rembs(0, 1500)).toEqual([]);
    seat.publications[0]!.ask({ type: 'bitrate', bps: 320_000 });
    expect(rembs(1500, 1520)).toEqual([[320_000, [7]]]);
    expect(rembs(1520, 3600).length).toBe(2);
    seat.publications[0]!.ask({ type: 'bitrate', bps: 10_240_000 });
    expect(rembs(3600, 3620)).toEqual([[10_240_000, [7]]]);
  });

  test('reports of what came', () => {
    const { publisher } = openPictures();
    for (const seq of [1, 2, 4]) publisher.rtp(rtp(7, seq, vp8(640)), seq);
    const report = asks(publisher, 1000, 1100).find(p => p.type === 'rr');
    expect(report).toMatchObject({ ssrc: 9, reports: [{ ssrc: 7, lost: 1 }] });
    expect((readRtcp(publisher.bye(1200)[0]!) as Rtcp[]).at(-1)).toMatchObject({ type: 'bye', ssrcs: [9] });
  });
});

describe('simulcast', () => {
  const layers = () => openPictures({ extra: simulcast });
  /** A second of both layers, 10 pictures a second; keyframes where they were asked for. */
  function run(
    publisher: VideoPublisher,
    from: number,
    to: number,
    o: { high?: boolean; rid?: boolean } = {},
  ) {
    const { high = true, rid = true } = o;
    for (let now = from; now < to; now += 100) {
      const asked = asks(publisher, now - 90, now);
      const wanted = (ssrc: number): boolean =>
        now === 0 || asked.some(p => p.type === 'pli' && p.media === ssrc);
      const seq = now / 100;
      const large = vp8(wanted(1) ? 640 : undefined);
      if (high)
        publisher.rtp(
          rtp(1, seq, Buffer.concat([large, Buffer.alloc(900)]), { ...(rid && { rid: 'h' }), ts: now * 90 }),
          now,
        );
      const small = vp8(wanted(2) ? 320 : undefined);
      publisher.rtp(
        rtp(2, 500 + seq, Buffer.concat([small, Buffer.alloc(200)]), {
          ...(rid && { rid: 'l' }),
          ts: now * 90 + 7,
        }),
        now,
      );
    }
  }
  const width = (seat: FakeSeat): string => seat.publications[0]!.current.fmtp!['x-size']!;

  test('layers are told apart by their ids, later by their SSRCs; a stranger is nobody', () => {
    const { publisher, seat, told } = layers();
    run(publisher, 0, 500);
    run(publisher, 500, 900, { rid: false });
    expect(publisher.stats()).toMatchObject([{ how: 'passthrough of layer h', lost: 0 }]);
    publisher.rtp(rtp(3, 1, vp8(640)), 900);
    publisher.rtp(rtp(3, 1, vp8(640), { rid: 'x' }), 900);
    expect(told.filter(t => t.startsWith('count'))).toEqual(['count no-layer', 'count no-layer']);
    expect(seat.publications[0]!.track.layers).toEqual(['h', 'l']);
  });

  test('smaller layers are tracks of their own behind the first, for who takes less', () => {
    const { publisher, seat } = layers();
    run(publisher, 0, 1000);
    const [main, ...copies] = seat.publications;
    expect(copies.map(c => [c.track.layerOf, c.current.fmtp!['x-size'], c.track.layers])).toEqual([
      [main!.id, '320x480', undefined],
    ]);
    const small = copies[0]!;
    small.ask({ type: 'keyframe' });
    run(publisher, 1000, 2000);
    expect(small.heard.filter(p => p.frame!.key).length).toBe(2);
    expect(new Set(small.heard.slice(1).map((p, i) => p.seq - small.heard[i]!.seq))).toEqual(new Set([1]));
    expect(width(seat)).toBe('640x480');
    publisher.mute('video', true);
    expect(seat.publications.map(p => p.paused)).toEqual([true, true]);
    publisher.mute('video', false);
    expect(seat.publications.map(p => p.paused)).toEqual([false, false]);
    publisher.close();
    expect(seat.publications.map(p => p.closed)).toEqual([true, true]);
  });

  test('less is asked for: a smaller layer from its keyframe on, on one line; and back', () => {
    const { publisher, seat } = layers();
    run(publisher, 0, 2000);
    expect(width(seat)).toBe('640x480');
    seat.publications[0]!.ask({ type: 'bitrate', bps: 30_000 });
    run(publisher, 2000, 4000);
    expect(width(seat)).toBe('320x480');
    seat.publications[0]!.ask({ type: 'bitrate', bps: 1_000_000 });
    run(publisher, 4000, 6000);
    expect(width(seat)).toBe('640x480');
    const { heard } = seat.publications[0]!;
    expect(new Set(heard.slice(1).map((p, i) => p.seq - heard[i]!.seq))).toEqual(new Set([1]));
    for (const [i, p] of heard.slice(1).entries()) expect(p.pts).toBeGreaterThan(heard[i]!.pts);
    const keys = heard.filter(p => p.frame!.key);
    expect(keys.length).toBeGreaterThanOrEqual(3);
  });

  test('the browser stops the large layer: the small one takes over', () => {
    const { publisher, seat, told } = layers();
    run(publisher, 0, 1000);
    run(publisher, 1000, 4000, { high: false });
    expect(width(seat)).toBe('320x480');
    expect(seat.publications.map(p => p.paused)).toEqual([false, false]);
    expect(told.filter(t => t.startsWith('count'))).toEqual([]);
  });
});
