import { afterEach, describe, expect, it } from 'vitest';
import { writeAvcc } from '../../codecs/h264/avcc.ts';
import { h264Packetizer } from '../../codecs/h264/packetize.ts';
import type { TrackEvent } from '../../src/contract.ts';
import { avcFrameTag, readAudioTag, readVideoTag } from '../../src/proto/rtmp/flv.ts';
import { type RtmpClient, rtmpClient } from '../../test/harness/peers/rtmp-client.ts';
import { clock, eventually, openSite, type Site } from '../../test/harness/rtmp-site.ts';

const SPS = Buffer.from('6742c01ed90280bfe5c044000003000400000300c83c58b920', 'hex');
const PPS = Buffer.from('68cb83cb20', 'hex');
const nal = (type: number, length: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i === 0 ? 0x60 | type : (i * seed) & 255)));

let site: Site;
afterEach(() => site.close());

const isReady = (e: { type: string }): boolean => e.type === 'ready';
const isEnd = (e: { type: string }): boolean => e.type === 'end';

describe('playing over RTMP', () => {
  const H264: TrackEvent = {
    type: 'serving',
    how: 'passthrough',
    format: { codec: 'H264', clockRate: 90000, fmtp: { 'packetization-mode': '1' } },
  };

  /** A player of the room, and what feeds it. */
  async function player(path: string) {
    const client = await rtmpClient(site.port, 'play', path, clock);
    await client.until(isReady);
    const placed = await site.leg(0);
    const [sound, picture] = placed.seat.subscriptions;
    const began = clock.now();
    sound!.time = pts => began + (pts - 480_000) / 48;
    picture!.time = pts => began + pts / 90;
    const pack = h264Packetizer();
    let seq = 100;
    const frame = (pts: number, units: readonly Uint8Array[], key: boolean, now = clock.now()): void =>
      pack(units, key, (payload, mark) =>
        picture!.sink({ seq: seq++, pts, marker: mark.end, payload, frame: mark }, now),
      );
    const skip = (): void => void seq++;
    return { client, placed, sound: sound!, picture: picture!, frame, skip };
  }
  const tags = (client: RtmpClient) => client.heard.flatMap(e => (e.type === 'media' ? [e] : []));

  it('the room: asks for the mix and the speaker, and starts at once', async () => {
    site = await openSite({ maxPictureBps: 900_000 });
    const { client, placed } = await player('room/1000?as=alice');
    expect(placed.request).toMatchObject({ roles: ['receive'], who: { user: 'alice' }, room: '1000' });
    expect(placed.seat.subscriptions.map(s => s.want)).toEqual([
      { kind: 'mix', codec: { codec: 'AAC', clockRate: 48000, channels: 1 }, ptimeMs: 20 },
      {
        kind: 'picture',
        source: 'speaker',
        accept: [expect.objectContaining({ codec: 'H264' })],
        maxBps: 900_000,
      },
    ]);
    await client.until(e => e.type === 'metadata');
    expect(placed.seat.isConfirmed).toBe(true);
  });

  it('a member who is not there is a stream that is not found', async () => {
    site = await openSite({}, ['carol']);
    const client = await rtmpClient(site.port, 'play', 'room/1000/bob?as=alice', clock);
    expect(await client.until(isEnd)).toMatchObject({
      why: { reason: 'NetStream.Play.StreamNotFound', text: 'There is no member "bob" in room 1000 now.' },
    });
  });

  it('one member: NAL units come bit by bit, behind the avcC record, from a keyframe on', async () => {
    site = await openSite({}, ['bob']);
    const { client, placed, picture, frame } = await player('room/1000/bob?as=alice');
    expect(placed.seat.subscriptions.map(s => s.want)).toMatchObject([
      { kind: 'member', participant: 'bob', source: 'mic' },
      { kind: 'member', participant: 'bob', source: 'camera' },
    ]);
    picture.on(H264);
    const key = [nal(6, 30, 3), nal(5, 40_000, 7)];
    frame(87_000, [nal(1, 500, 3)], false);
    frame(90_000, [SPS, PPS, ...key], true);
    frame(93_000, [nal(1, 3000, 11)], false);
    await eventually(() => tags(client).length === 3, 'three tags');
    const got = tags(client).map(t => readVideoTag(t.body));
    expect(got[0]).toMatchObject({ type: 'config', record: new Uint8Array(writeAvcc([SPS], [PPS])) });
    const prefixed = (units: readonly Uint8Array[]) =>
      new Uint8Array(Buffer.concat(avcFrameTag(true, 0, units)).subarray(5));
    expect(got[1]).toMatchObject({ type: 'frame', key: true, compositionMs: 0, units: prefixed(key) });
    expect(got[2]).toMatchObject({ type: 'frame', key: false, units: prefixed([nal(1, 3000, 11)]) });
    const [, first, second] = tags(client);
    expect(second!.timestampMs - first!.timestampMs).toBeGreaterThanOrEqual(33);
    expect(second!.timestampMs - first!.timestampMs).toBeLessThanOrEqual(34);
    expect(first!.timestampMs).toBeLessThan(5000);
  });

  it('keeps decode order and composition times of B-frames', async () => {
    site = await openSite({}, ['bob']);
    const { client, picture, frame } = await player('room/1000/bob?as=alice');
    picture.on(H264);
    const now = clock.now();
    frame(9000 * 1, [SPS, PPS, nal(5, 60, 3)], true, now);
    for (const [i, t] of [4, 2, 3, 7, 5, 6, 10, 8, 9].entries())
      frame(9000 * t, [nal(1, 60, t)], false, now + 100 * (i + 1));
    await eventually(() => tags(client).length === 11, 'all frames');
    const frames = tags(client).slice(1);
    const shown = frames.map(f => {
      const tag = readVideoTag(f.body);
      return f.timestampMs + (tag.type === 'frame' ? tag.compositionMs : 0);
    });
    const zero = shown[0]!;
    expect(shown.map(ms => Math.round((ms - zero) / 100))).toEqual([0, 3, 1, 2, 6, 4, 5, 9, 7, 8]);
    const decoded = frames.map(f => f.timestampMs);
    expect(decoded).toEqual([...decoded].sort((a, b) => a - b));
  });

  it('after a loss it asks for a keyframe and shows nothing broken', async () => {
    site = await openSite({}, ['bob']);
    const { client, picture, frame, skip } = await player('room/1000/bob?as=alice');
    picture.on(H264);
    frame(0, [SPS, PPS, nal(5, 60, 3)], true);
    skip();
    for (let i = 1; i < 30; i++) frame(i * 3000, [nal(1, 60, i)], false);
    frame(90_000, [SPS, PPS, nal(5, 60, 9)], true);
    await eventually(
      () => tags(client).length === 3 && picture.asked.length > 0,
      'two keyframes and a request',
    );
    expect(
      tags(client)
        .slice(1)
        .map(t => readVideoTag(t.body)),
    ).toMatchObject([{ key: true }, { key: true }]);
    expect(picture.asked[0]).toEqual({ type: 'keyframe' });
  });

  it('sound: the AAC config, then raw units, on a clock from 0', async () => {
    site = await openSite();
    const { client, sound } = await player('room/1000?as=alice');
    const format = { codec: 'AAC', clockRate: 48000, channels: 1, fmtp: { config: '1188' } } as const;
    sound.on({ type: 'serving', format, how: 'mix' });
    for (let i = 0; i < 3; i++)
      sound.sink(
        { seq: i, pts: 480_000 + i * 1024, marker: false, payload: Buffer.of(0x21, i) },
        clock.now(),
      );
    await eventually(() => tags(client).length === 4, 'four tags');
    expect(tags(client).map(t => readAudioTag(t.body))).toEqual([
      { type: 'config', codec: 'AAC', config: new Uint8Array([0x11, 0x88]) },
      ...[0, 1, 2].map(i => ({ type: 'frame', codec: 'AAC', payload: new Uint8Array([0x21, i]) })),
    ]);
    const times = tags(client)
      .slice(1)
      .map(t => t.timestampMs);
    expect(times[2]! - times[0]!).toBeGreaterThanOrEqual(42);
    expect(times[2]! - times[0]!).toBeLessThanOrEqual(43);
    expect(client.heard.filter(e => e.type === 'metadata').at(-1)).toMatchObject({
      values: { audiocodecid: 10 },
    });
  });

  it('pause stops it, going on begins at a keyframe', async () => {
    site = await openSite();
    const { client, picture, frame } = await player('room/1000?as=alice');
    picture.on(H264);
    frame(0, [SPS, PPS, nal(5, 60, 3)], true);
    client.send({ type: 'pause', on: true });
    await client.until(e => e.type === 'status' && e.code === 'NetStream.Pause.Notify');
    frame(3000, [nal(1, 60, 3)], false);
    client.send({ type: 'pause', on: false });
    await client.until(e => e.type === 'status' && e.code === 'NetStream.Unpause.Notify');
    frame(6000, [nal(1, 60, 3)], false);
    frame(9000, [nal(5, 77, 3)], true);
    await eventually(() => tags(client).length === 3, 'two keyframes');
    expect(tags(client).at(-1)!.body.length).toBe(5 + 4 + 77);
  });

  it('ends with the member it plays', async () => {
    site = await openSite({}, ['bob']);
    const { client, placed } = await player('room/1000/bob?as=alice');
    for (const on of placed.seat.watchers)
      on({ type: 'left', participant: 'bob', why: { blame: 'none', reason: 'hung-up' } });
    expect(await client.until(isEnd)).toMatchObject({
      why: { reason: 'NetStream.Play.UnpublishNotify', text: 'bob left the room.' },
    });
    expect(placed.seat.watchers.size).toBe(0);
    expect(placed.seat.subscriptions.every(s => s.closed)).toBe(true);
  });
});

it('gives out ticket addresses', async () => {
  site = await openSite();
  const ask = { room: '1000', user: 'alice', protocol: 'rtmp' } as const;
  const url = (more: object) =>
    site.agent.ticketUrl?.({ ...ask, role: 'play', ...more }, 't0k')?.replace(site.url, '');
  expect(url({ role: 'publish' })).toBe('/room/1000/alice?token=t0k');
  expect(url({ role: 'publish', track: 'screen' })).toBe('/room/1000/alice/screen?token=t0k');
  expect(url({})).toBe('/room/1000?as=alice&token=t0k');
  expect(url({ track: 'bob/screen' })).toBe('/room/1000/bob/screen?as=alice&token=t0k');
});
