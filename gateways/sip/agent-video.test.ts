import { afterEach, describe, expect, test, vi } from 'vitest';
import { partOf } from '../../src/proto/sdp/video.ts';
import {
  descriptionOf,
  endAll,
  onEnd,
  PlainPhone,
  port,
  request,
  setUp,
  until,
} from '../../test/harness/sip-agent.ts';
import {
  BASELINE,
  hex,
  IDR,
  mark,
  PPS,
  SLICE,
  SPS,
  sayKey,
  shown,
  type VideoCall,
  videoCall,
  videoLines,
} from '../../test/harness/sip-video.ts';
import type { SipConfig } from './config.ts';

afterEach(endAll);

const ACCEPT = { codec: 'H264', clockRate: 90_000 } as const;
const TRACK = {
  codec: 'H264',
  clockRate: 90_000,
  fmtp: { 'profile-level-id': '42e01f', 'x-size': '360x640' },
} as const;

/** NTP time 0xe8000000 and a half, RTP time 120 000. */
const senderReport = (ssrc: number): Buffer =>
  hex(`80c80006${ssrc.toString(16).padStart(8, '0')}e8000000800000000001d4c00000000000000000`);

/** Millions of macroblocks. */
const ABSURD_SPS = hex('6742001ef400010000004000000fff');

/** What its ladder is told from now on. */
function notesOf(c: VideoCall): string[] {
  const notes: string[] = [];
  vi.spyOn(c.host, 'ladder').mockImplementation((_, step) => void notes.push(step.summary));
  return notes;
}

describe('a call with a camera', () => {
  test('is seen once it shows a picture, as its stream says, on the clock of its sound', async () => {
    const c = await videoCall();
    const { seat, camera, to } = c;
    expect(seat.publications.map(p => p.track.source)).toEqual(['mic']);
    camera.say(to, SLICE, { pt: 97, timestamp: 3000, marker: true });
    sayKey(c, 6000);
    await until(() => seat.publications.length === 2);
    const [sound, picture] = seat.publications;
    expect(picture!.track).toEqual({
      source: 'camera',
      format: {
        codec: 'H264',
        clockRate: 90_000,
        fmtp: {
          'profile-level-id': '42c016',
          'packetization-mode': '1',
          'x-size': '640x360',
          'x-reorder': '0',
        },
      },
      canKeyframe: true,
      syncGroup: sound!.track.syncGroup,
    });
    camera.say(to, SLICE, { pt: 97, timestamp: 9000, marker: true });
    await until(() => picture!.heard.length === 4);
    expect(picture!.heard.map(p => Buffer.from(p.payload))).toEqual([SPS, PPS, IDR, SLICE]);
    expect(picture!.heard.map(p => p.frame)).toEqual([
      mark({ end: false, key: true, config: true }),
      mark({ start: false, end: false, key: true, config: true }),
      mark({ start: false, key: true }),
      mark(),
    ]);
    expect(picture!.heard[3]!.pts - picture!.heard[2]!.pts).toBe(3000);
  });

  test('that tells its parameter sets in its description only is shown with them', async () => {
    const sets = [SPS, PPS].map(b => b.toString('base64')).join(',');
    const { seat, camera, to } = await videoCall([], {}, `${BASELINE};sprop-parameter-sets=${sets}`);
    camera.say(to, IDR, { pt: 97, timestamp: 3000, marker: true });
    camera.say(to, SLICE, { pt: 97, timestamp: 6000, marker: true });
    await until(() => seat.publications[1]?.heard.length === 4);
    const picture = seat.publications[1]!;
    expect(picture.heard.map(p => Buffer.from(p.payload))).toEqual([SPS, PPS, IDR, SLICE]);
    expect(picture.track.format.fmtp).toMatchObject({ 'x-size': '640x360' });
  });

  test('sees the room: what its description takes, restamped, and in the legs’ figures', async () => {
    const { seat, camera, leg, clock } = await videoCall(['b=TIAS:700000']);
    const picture = seat.subscriptions[1]!;
    expect(picture.want).toEqual({
      kind: 'picture',
      source: 'speaker',
      accept: [
        { ...ACCEPT, fmtp: { 'profile-level-id': '42801f', 'packetization-mode': '1', 'x-reorder': '0' } },
      ],
      maxBps: 700_000,
    });
    picture.sink(shown(1, 'before anything serves'), clock.now());
    picture.on({ type: 'serving', format: TRACK, how: 'passthrough' });
    picture.sink(shown(70, 'one', mark({ key: true })), clock.now());
    picture.sink(shown(71, 'two'), clock.now());
    clock.advance(500);
    picture.on({ type: 'serving', format: TRACK, how: 'transcode VP8→H264' });
    picture.sink(shown(5, 'three', mark({ key: true })), clock.now());
    await until(() => camera.heard.length === 3);
    const [a, b, c] = camera.heard;
    expect(camera.heard.map(p => [p.payloadType, p.marker, p.text])).toEqual([
      [97, true, 'one'],
      [97, true, 'two'],
      [97, true, 'three'],
    ]);
    expect([(b!.seq - a!.seq) & 0xffff, (c!.seq - b!.seq) & 0xffff]).toEqual([1, 1]);
    expect([(b!.timestamp - a!.timestamp) >>> 0, (c!.timestamp - b!.timestamp) >>> 0]).toEqual([
      3000, 45_000,
    ]);
    expect(leg.stats().map(s => [s.media, s.direction, s.codec, s.how])).toEqual([
      ['audio', 'in', 'PCMU', 'passthrough'],
      ['audio', 'out', 'PCMU', 'mix'],
      ['video', 'in', 'H264', 'passthrough'],
      ['video', 'out', 'H264', 'transcode VP8→H264'],
    ]);
    expect(leg.stats()[3]).toMatchObject({ packets: 3, width: 360, height: 640, freezes: 0 });
    picture.on({ type: 'unserved', why: { blame: 'server', reason: 'no-video-transcode', text: 'No.' } });
    picture.sink(shown(9, 'not negotiated'), clock.now());
    expect(leg.stats()[3]!.how).toBe('unserved: no-video-transcode');
  });

  test('its sender reports tie pictures to the same clock as its sound', async () => {
    const c = await videoCall();
    sayKey(c, 90_000);
    await until(() => c.seat.publications.length === 2 && c.seat.publications[1]!.heard.length === 3);
    c.camera.rtcp.send(senderReport(c.camera.ssrc), c.to + 1, '127.0.0.1');
    await until(() => c.seat.publications[1]!.clocks.length === 1);
    const { pts } = c.seat.publications[1]!.heard[0]!;
    expect(c.seat.publications[1]!.clocks[0]).toEqual({
      pts: pts + 30_000,
      captureMs: (0xe8000000 - 2_208_988_800) * 1000 + 500,
    });
  });

  test('a report that came before the first keyframe is not lost', async () => {
    const c = await videoCall();
    c.camera.say(c.to, SLICE, { pt: 97, timestamp: 90_000, marker: true });
    await until(() => c.leg.stats()[2]!.packets === 1);
    c.camera.rtcp.send(senderReport(c.camera.ssrc), c.to + 1, '127.0.0.1');
    c.camera.rtcp.send(hex('00'), c.to + 1, '127.0.0.1');
    await until(() => c.host.counts.includes('rtp_dropped/rtcp-short'));
    sayKey(c, 93_000);
    await until(() => c.seat.publications[1]?.heard.length === 3);
    const { pts } = c.seat.publications[1]!.heard[0]!;
    expect(c.seat.publications[1]!.clocks).toMatchObject([{ pts: pts + 27_000 }]);
  });

  test('junk among its pictures is counted and costs nothing else', async () => {
    const c = await videoCall();
    const notes = notesOf(c);
    sayKey(c, 3000);
    c.camera.say(c.to, hex('ff00'), { pt: 97, timestamp: 6000 });
    c.camera.say(c.to, hex('6742'), { pt: 97, timestamp: 6000 });
    c.camera.say(c.to, hex('00'), { pt: 126, timestamp: 6000 });
    c.camera.say(c.to, SLICE, { pt: 97, timestamp: 9000, marker: true });
    await until(() => c.seat.publications[1]?.heard.length === 4);
    expect(c.host.counts.sort()).toEqual([
      'rtp_dropped/h264-forbidden-bit',
      'rtp_dropped/h264-sps',
      'rtp_dropped/payload-type',
    ]);
    expect(notes.filter(text => text.startsWith('Pictures are dropped'))).toHaveLength(3);
    expect(notes).toContainEqual(
      expect.stringContaining('(h264-sps): the SPS cannot be read, or its pictures'),
    );
  });

  test.each([
    ['no SPS', [], []],
    ['an SPS of absurd size', [ABSURD_SPS], ['rtp_dropped/h264-sps']],
  ])('with %s are not shown; that is counted, and told once', async (_, before, counts) => {
    const c = await videoCall();
    const notes = notesOf(c);
    for (const timestamp of [3000, 6000]) {
      for (const unit of before) c.camera.say(c.to, unit, { pt: 97, timestamp });
      c.camera.say(c.to, IDR, { pt: 97, timestamp, marker: true });
    }
    const each = [...counts, 'rtp_dropped/h264-no-sps'];
    await until(() => c.host.counts.length === 2 * each.length);
    expect([...c.host.counts].sort()).toEqual([...each, ...each].sort());
    expect(notes).toHaveLength(each.length);
    expect(c.seat.publications).toHaveLength(1); // its sound
    expect(c.events.all.map(e => e.type)).not.toContain('closed');
  });
});

describe('without pictures', () => {
  const refused = async (o: Partial<SipConfig>, ...lines: string[]): Promise<void> => {
    const { local, seat, leg } = await videoCall(lines, o);
    expect(local.sections[1]).toMatchObject({ kind: 'video', port: 0 });
    expect([seat.publications.length, seat.subscriptions.length]).toEqual([1, 1]);
    expect(leg.stats()).toHaveLength(2);
  };

  test('the config says so', () => refused({ video: false }));
  test('no codec of ours', () => refused({ videoCodecs: ['VP8'] }));

  test('no port is left: the sound goes on', async () => {
    const taken = await setUp();
    const first = port(descriptionOf((await takeSound(taken)).events, 0));
    const { local, host } = await videoCall([], { rtpPorts: { min: first + 2, max: first + 3 } });
    expect(local.sections.map(s => s.port > 0)).toEqual([true, false]);
    expect(host.counts).toContain('rtp_dropped/video-no-port');
  });

  test('a phone that offers none is offered none in its answer', async () => {
    const s = await takeSound(await setUp());
    expect(descriptionOf(s.events, 0).sections.map(x => x.kind)).toEqual(['audio']);
  });
});

async function takeSound<T extends Awaited<ReturnType<typeof setUp>>>(s: T): Promise<T> {
  await s.agent.take(request({ type: 'offer', native: s.phone.sdp() }), s.seat, s.events.emit);
  return s;
}

describe('slides', () => {
  test('come as a screen and go where they were asked for, beside the camera', async () => {
    const slides = await new PlainPhone().open();
    onEnd(() => slides.close());
    const c = await videoCall([
      'a=content:main',
      ...videoLines(slides, BASELINE, 'a=content:slides', 'a=label:3'),
    ]);
    const [, , answer] = c.local.sections;
    expect([partOf(answer!), answer!.label, answer!.direction]).toEqual(['slides', '3', 'sendrecv']);
    expect(c.seat.subscriptions.map(x => 'source' in x.want && x.want.source)).toEqual([
      false,
      'speaker',
      'content',
    ]);
    sayKey({ ...c, camera: slides, to: answer!.port }, 3000);
    await until(() => c.seat.publications.length === 2);
    expect(c.seat.publications[1]!.track.source).toBe('screen');
    expect(c.leg.stats().map(x => x.media)).toEqual(['audio', 'audio', 'video', 'video', 'screen', 'screen']);
  });
});

test('closing ends pictures too', async () => {
  const c = await videoCall();
  sayKey(c, 3000);
  await until(() => c.seat.publications.length === 2);
  c.leg.handle({ type: 'close', why: { blame: 'none', reason: 'hung-up' } });
  expect(c.seat.publications.every(p => p.closed) && c.seat.subscriptions.every(x => x.closed)).toBe(true);
  expect(c.clock.armed).toBe(0);
  c.seat.subscriptions[1]!.sink(shown(1, 'late'), c.clock.now());
  expect(c.camera.heard).toEqual([]);
});
