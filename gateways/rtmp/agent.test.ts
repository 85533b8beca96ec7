import { afterEach, describe, expect, it } from 'vitest';
import { openDecoder, openEncoder } from '../../codecs/audio.ts';
import { writeAvcc } from '../../codecs/h264/avcc.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { aacConfigTag, aacFrameTag, avcConfigTag, avcFrameTag } from '../../src/proto/rtmp/flv.ts';
import { rtmpClient } from '../../test/harness/peers/rtmp-client.ts';
import { clock, eventually, openSite, type Site } from '../../test/harness/rtmp-site.ts';

const SPS = Buffer.from('6742c01ed90280bfe5c044000003000400000300c83c58b920', 'hex');
/** Millions of macroblocks. */
const ABSURD_SPS = Buffer.from('6742001ef400010000004000000fff', 'hex');
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
    picture(0, avcConfigTag(writeAvcc([ABSURD_SPS], [PPS])));
    picture(0, avcFrameTag(true, 0, [nal(5, 9, 1)]));
    picture(0, avcFrameTag(true, 0, [nal(5, 9, 1)]));
    picture(0, avcConfigTag(writeAvcc([SPS], [PPS])));
    picture(0, [Buffer.from('1701000000000000ff65', 'hex')]);
    sound(0, aacFrameTag(Buffer.of(1)));
    sound(0, aacConfigTag(Buffer.of(0, 0)));
    await eventually(() => site.counts.includes('dropped/aac-config'), 'the last of them');
    expect(site.counts).toEqual([
      'dropped/video-tag',
      'dropped/picture-before-config',
      'dropped/avc-config',
      'dropped/avc-sps',
      'dropped/avc-sps',
      'dropped/avc-units',
      'dropped/aac-before-config',
      'dropped/aac-config',
    ]);
    expect(site.placed).toHaveLength(1);
    const told = site.ladder.filter(step => step.summary.startsWith('Pictures of this stream are dropped'));
    expect(told.map(step => /\((.*?)\)/.exec(step.summary)?.[1])).toEqual([
      'picture-before-config',
      'avc-config',
      'avc-sps',
      'avc-units',
    ]);
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
