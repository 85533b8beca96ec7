import { afterEach, describe, expect, it } from 'vitest';
import { openDecoder, openEncoder } from '../../codecs/audio.ts';
import { writeAvcc } from '../../codecs/h264/avcc.ts';
import { h264Packetizer } from '../../codecs/h264/packetize.ts';
import type { TrackEvent } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import {
  aacConfigTag,
  aacFrameTag,
  avcConfigTag,
  avcFrameTag,
  readAudioTag,
  readVideoTag,
} from '../../src/proto/rtmp/flv.ts';
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

/** A publisher that has said Publish.Start. */
async function publisher(path = 'room/1000/alice') {
  const client = await rtmpClient(site.port, 'publish', path, clock, 1);
  await client.until(isReady);
  const picture = (ms: number, parts: readonly Uint8Array[]): void =>
    client.send({ type: 'media', media: 'video', timestampMs: ms, parts });
  const sound = (ms: number, parts: readonly Uint8Array[]): void =>
    client.send({ type: 'media', media: 'audio', timestampMs: ms, parts });
  return { client, picture, sound };
}

describe('publishing over RTMP', () => {
  it('asks for a leg as the path says, with the token as its credential', async () => {
    site = await openSite();
    await publisher('room/1000/%E7%8E%8B/screen?token=secret');
    const { request } = await site.leg(0);
    expect(request).toMatchObject({
      gateway: 'rtmp',
      direction: 'in',
      pin: 'rtmp-1',
      room: '1000',
      roles: ['send'],
      who: { user: '王', proof: 'claimed', credential: 'secret', address: '127.0.0.1' },
    });
    expect(JSON.stringify(site.ladder)).not.toContain('secret');
  });

  it('carries the picture as RTP payloads, parameter sets before keyframes, without loss', async () => {
    site = await openSite();
    const { picture } = await publisher();
    picture(0, avcConfigTag(writeAvcc([SPS], [PPS])));
    const key = [nal(6, 30, 3), nal(5, 5000, 7)];
    const next = [nal(1, 900, 11)];
    picture(0, avcFrameTag(true, 0, key));
    picture(66, avcFrameTag(false, 0, next));
    const { seat, events, leg } = await site.leg(0);
    await eventually(() => (seat.publications[0]?.heard.length ?? 0) >= 9, 'nine packets');
    const [camera] = seat.publications;
    expect(camera?.track).toEqual({
      source: 'camera',
      format: {
        codec: 'H264',
        clockRate: 90000,
        fmtp: {
          'profile-level-id': '42c01e',
          'packetization-mode': '1',
          'x-size': '152x1520',
          'x-reorder': '0',
        },
      },
      canKeyframe: false,
      syncGroup: expect.any(String),
    });
    const heard = camera!.heard;
    expect(heard.slice(0, 3).map(p => Buffer.from(p.payload))).toEqual([SPS, PPS, key[0]]);
    expect(heard.map(p => p.frame)).toMatchObject([
      { start: true, end: false, key: true, config: true },
      { start: false, end: false, key: true, config: true },
      ...Array.from({ length: 5 }, () => ({ start: false, end: false, key: true, config: false })),
      { end: true, key: true },
      { start: true, end: true, key: false, config: false },
    ]);
    expect(heard.map(p => p.seq)).toEqual(heard.map((_, i) => (heard[0]!.seq as number) + i));
    expect(heard.at(-1)!.pts - heard[0]!.pts).toBe(66 * 90);
    expect(camera!.clocks[0]).toEqual({ pts: heard[0]!.pts, captureMs: heard[0]!.pts / 90 });
    expect(seat.isConfirmed).toBe(true);
    expect(events.map(e => e.type)).toEqual(['description', 'media']);
    expect(leg.stats()).toMatchObject([
      { media: 'video', direction: 'in', codec: 'H264', how: 'passthrough', packets: 9 },
    ]);
  });

  it('goes on when the size changes in mid-stream', async () => {
    site = await openSite();
    const { picture } = await publisher();
    const bigger = Buffer.concat([Buffer.from('674d4028', 'hex'), SPS.subarray(4)]);
    picture(0, avcConfigTag(writeAvcc([SPS], [PPS])));
    picture(0, avcFrameTag(true, 0, [nal(5, 50, 3)]));
    picture(40, avcConfigTag(writeAvcc([bigger], [PPS])));
    picture(40, avcFrameTag(true, 0, [nal(5, 50, 5)]));
    const { seat } = await site.leg(0);
    await eventually(() => seat.publications[0]?.heard.length === 6, 'both keyframes');
    expect(Buffer.from(seat.publications[0]!.heard[3]!.payload)).toEqual(bigger);
    expect(seat.publications[0]!.current.fmtp?.['profile-level-id']).toBe('4d4028');
    expect(seat.publications).toHaveLength(1);
  });

  it('turns AAC into Opus that sounds the same, with levels', async () => {
    site = await openSite();
    const { sound } = await publisher();
    const { sent } = await aacTone(440, 1500, sound);
    const { seat, leg } = await site.leg(0);
    await eventually(() => (seat.publications[0]?.heard.length ?? 0) >= 68, '1.4 s of Opus');
    const [mic] = seat.publications;
    expect(mic?.track).toMatchObject({ source: 'mic', format: { codec: 'opus', clockRate: 48000 } });
    const heard = mic!.heard;
    expect(heard.slice(1).every((p, i) => p.pts - heard[i]!.pts === 960)).toBe(true);
    for (const p of heard.slice(10)) expect(p.level).toBeGreaterThan(15);
    for (const p of heard.slice(10)) expect(p.level).toBeLessThan(30);
    const pcm = await decodeAll(heard.map(p => p.payload));
    expect(frequency(pcm.subarray(24_000, 57_600))).toBeCloseTo(440, -1);
    expect(leg.stats()).toMatchObject([
      { media: 'audio', codec: 'AAC', how: 'transcode AAC→opus', packets: sent },
    ]);
  });

  it('passes G.711 as it is', async () => {
    site = await openSite();
    const { sound } = await publisher();
    for (let i = 0; i < 5; i++) sound(i * 20, [Buffer.of(0x72), Buffer.alloc(160, 0xd5)]);
    const { seat } = await site.leg(0);
    await eventually(() => seat.publications[0]?.heard.length === 5, 'five packets');
    expect(seat.publications[0]!.track.format).toEqual({ codec: 'PCMA', clockRate: 8000, channels: 1 });
    const { heard } = seat.publications[0]!;
    expect(heard.map(p => p.pts - heard[0]!.pts)).toEqual([0, 160, 320, 480, 640]);
    expect(heard.every(p => p.payload.length === 160 && (p.level ?? 0) > 60)).toBe(true);
  });

  it('says in words what has no sound, and carries the picture all the same', async () => {
    site = await openSite();
    const { client, picture, sound } = await publisher();
    sound(0, [Buffer.of(0x2f, 1, 2, 3)]);
    sound(26, [Buffer.of(0x2f, 1, 2, 3)]);
    const told = await client.until(e => e.type === 'status' && e.code === 'NetStream.Publish.NoSound');
    expect(told).toMatchObject({ text: 'This stream has no sound here: MP3 is not carried; send AAC.' });
    picture(0, avcConfigTag(writeAvcc([SPS], [PPS])));
    picture(0, avcFrameTag(true, 0, [nal(5, 50, 3)]));
    const { seat } = await site.leg(0);
    await eventually(() => seat.publications[0]?.heard.length === 3, 'the picture');
    expect(
      client.heard.filter(e => e.type === 'status' && e.code === 'NetStream.Publish.NoSound'),
    ).toHaveLength(1);
  });

  it('refuses B-frames where told to, saying how to turn them off', async () => {
    site = await openSite({ bFrames: 'refuse' });
    const { client, picture } = await publisher();
    picture(0, avcConfigTag(writeAvcc([SPS], [PPS])));
    picture(0, avcFrameTag(true, 40, [nal(5, 50, 3)]));
    picture(40, avcFrameTag(false, 120, [nal(1, 50, 3)]));
    picture(80, avcFrameTag(false, 0, [nal(1, 50, 5)]));
    const end = await client.until(isEnd);
    expect(JSON.stringify(end)).toContain('-bf 0');
    await client.closed;
    const { events } = await site.leg(0);
    expect(events.at(-1)).toMatchObject({ type: 'closed', why: { reason: 'b-frames' } });
  });

  it('is muted by the room, from the first packet on if it was said before', async () => {
    site = await openSite();
    const { picture } = await publisher();
    const { leg, seat } = await site.leg(0);
    leg.handle({ type: 'mute', media: 'video', on: true });
    picture(0, avcConfigTag(writeAvcc([SPS], [PPS])));
    picture(0, avcFrameTag(true, 0, [nal(5, 50, 3)]));
    await eventually(() => seat.publications.length === 1, 'a track');
    expect(seat.publications[0]!.paused).toBe(true);
    leg.handle({ type: 'mute', media: 'video', on: false });
    expect(seat.publications[0]!.paused).toBe(false);
  });

  it('survives bad tags, counted', async () => {
    site = await openSite();
    const { picture, sound } = await publisher();
    picture(0, [Buffer.of(0x17)]);
    picture(0, avcFrameTag(true, 0, [nal(5, 9, 1)]));
    picture(0, avcConfigTag(Buffer.of(9, 9, 9)));
    picture(0, avcConfigTag(writeAvcc([SPS], [PPS])));
    picture(0, [Buffer.from('1701000000000000ff65', 'hex')]);
    sound(0, aacFrameTag(Buffer.of(1)));
    sound(0, aacConfigTag(Buffer.of(0, 0)));
    await eventually(() => site.counts.includes('dropped/aac-config'), 'the last of them');
    expect(site.counts).toEqual([
      'dropped/video-tag',
      'dropped/picture-before-config',
      'dropped/avc-config',
      'dropped/avc-units',
      'dropped/aac-before-config',
      'dropped/aac-config',
    ]);
    expect(site.placed).toHaveLength(1);
  });
});

describe('the end of an RTMP leg', () => {
  it('a client that stops hangs up; one that vanishes was lost', async () => {
    site = await openSite();
    const one = await publisher();
    one.client.send({ type: 'stop' });
    await one.client.closed;
    const two = await publisher();
    two.client.kill();
    await eventually(
      () => site.placed.length === 2 && site.placed[1]!.events.at(-1)?.type === 'closed',
      'both closed',
    );
    expect(site.placed.map(p => p.events.at(-1))).toMatchObject([
      { type: 'closed', why: { blame: 'none', reason: 'hung-up' } },
      { type: 'closed', why: { blame: 'client', reason: 'connection-lost' } },
    ]);
    for (const p of site.placed) expect(p.events.filter(e => e.type === 'closed')).toHaveLength(1);
  });

  it('a kicked publisher hears the sentence and its tracks are gone', async () => {
    site = await openSite();
    const { client, picture } = await publisher();
    picture(0, avcConfigTag(writeAvcc([SPS], [PPS])));
    picture(0, avcFrameTag(true, 0, [nal(5, 50, 3)]));
    const { leg, seat, events } = await site.leg(0);
    await eventually(() => seat.publications.length === 1, 'a track');
    const why = { blame: 'none', reason: 'replaced', text: 'alice pushed again from elsewhere.' } as const;
    leg.handle({ type: 'close', why });
    leg.handle({ type: 'close', why });
    const closed = await client.until(e => e.type === 'status' && e.code === 'NetConnection.Connect.Closed');
    expect(closed).toMatchObject({ text: why.text });
    await client.closed;
    expect(seat.publications[0]!.closed).toBe(true);
    expect(events.filter(e => e.type === 'closed')).toEqual([{ type: 'closed', why }]);
  });

  it('everyone is told when the agent closes', async () => {
    site = await openSite();
    const { client } = await publisher();
    const player = await rtmpClient(site.port, 'play', 'room/1000?as=bob', clock);
    await player.until(isReady);
    await site.close();
    expect(await client.until(isEnd)).toMatchObject({ why: { text: 'The server is shutting down.' } });
    expect(await player.until(isEnd)).toMatchObject({ why: { reason: 'NetStream.Play.UnpublishNotify' } });
    await eventually(() => site.placed.every(p => p.events.at(-1)?.type === 'closed'), 'both legs closed');
  });

  it('refuses in the words of RTMP', async () => {
    site = await openSite({}, ['bob'], {
      place: async request => {
        throw request.who.credential === 'bad'
          ? refuse('client', 'not-authorized', 'The token has expired.')
          : refuse('server', 'no-agent', 'No agent is free.');
      },
    });
    const refusal = async (mode: 'publish' | 'play', path: string) => {
      const client = await rtmpClient(site.port, mode, path, clock);
      const end = await client.until(isEnd);
      await client.closed;
      return end.type === 'end' ? `${end.why.reason}: ${end.why.text}` : '';
    };
    expect(await refusal('publish', 'live/stream')).toBe(
      'NetStream.Publish.BadName: The path "live/stream" is not of the form room/<room>[/<user>[/screen]].',
    );
    expect(await refusal('publish', 'room/1000')).toContain(
      'NetStream.Publish.BadName: Publishing needs a user',
    );
    expect(await refusal('publish', 'room/1000/alice?token=bad')).toBe(
      'NetStream.Publish.Denied: The token has expired.',
    );
    expect(await refusal('play', 'room/1000/bob?as=alice')).toBe('NetStream.Play.Failed: No agent is free.');
  });

  it('a server that is full says so at connect', async () => {
    site = await openSite({ maxLegs: 1 });
    await publisher();
    const client = await rtmpClient(site.port, 'publish', 'room/1000/bob', clock);
    expect(await client.until(isEnd)).toMatchObject({ why: { reason: 'NetConnection.Connect.Rejected' } });
  });

  it('closes who never asks', async () => {
    site = await openSite({ handshakeTimeoutMs: 50 });
    const { connectTcp } = await import('../../src/io/tcp.ts');
    let closed = false;
    const handlers = { data() {}, closed: () => void (closed = true) };
    await connectTcp('127.0.0.1', site.port, { maxQueueBytes: 1, lingerMs: 1 }, clock, handlers);
    await eventually(() => closed && site.counts.includes('unasked/handshake-timeout'), 'closed');
  });
});

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

/** Sends a −20 dBFS sine as AAC; returns how many units. */
async function aacTone(hz: number, ms: number, send: (ms: number, parts: readonly Uint8Array[]) => void) {
  const encoder = await openEncoder({ codec: 'AAC', clockRate: 48000, channels: 1 }, 48000);
  const pcm = Int16Array.from({ length: ms * 48 }, (_, i) => 3277 * Math.sin((2 * Math.PI * hz * i) / 48000));
  send(0, aacConfigTag(Buffer.from(encoder.format.fmtp?.config ?? '', 'hex')));
  let sent = 0;
  encoder.encode(pcm, (payload, pts) => {
    sent++;
    send(Math.round(pts / 48), aacFrameTag(payload.slice()));
  });
  encoder.close();
  return { sent };
}

async function decodeAll(payloads: readonly Uint8Array[]): Promise<Int16Array> {
  const decoder = await openDecoder({ codec: 'opus', clockRate: 48000, channels: 2 }, 48000);
  const all = payloads.flatMap(p => [...decoder.decode(p)]);
  decoder.close();
  return Int16Array.from(all);
}

/** Frequency of a clean tone, Hz, by its rising zero crossings. */
function frequency(pcm: Int16Array): number {
  const rises: number[] = [];
  for (let i = 1; i < pcm.length; i++) if (pcm[i - 1]! < 0 && pcm[i]! >= 0) rises.push(i);
  return ((rises.length - 1) * 48000) / (rises.at(-1)! - rises[0]!);
}

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
