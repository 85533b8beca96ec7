/** werift, a WebRTC stack that shares no code with ours, publishes and plays; what arrives is decoded. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MediaStreamTrack, RTCPeerConnection, RtpPacket, useOPUS, usePCMA } from 'werift';
import { openDecoder, openEncoder } from '../../codecs/audio.ts';
import type { Agent, Format, Leg, LegRequest } from '../../src/contract.ts';
import { Events, FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import { createWebRtcAgent } from './agent.ts';
import { webrtcConfig } from './config.ts';
import type { Begin } from './native.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48_000, channels: 2 };
const PCMA: Format = { codec: 'PCMA', clockRate: 8000 };
const host = fakeHost();
let agent: Agent;
const clients: RTCPeerConnection[] = [];

beforeEach(async () => {
  host.counts.length = 0;
  agent = createWebRtcAgent(host, webrtcConfig.parse({ address: '127.0.0.1', port: 0 }));
  await agent.start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await agent.close();
});

const makeClient = (codecs = [useOPUS()]): RTCPeerConnection => {
  const client = new RTCPeerConnection({
    iceServers: [],
    iceUseIpv6: false,
    iceAdditionalHostAddresses: ['127.0.0.1'],
    codecs: { audio: codecs },
    bundlePolicy: 'max-bundle',
  });
  clients.push(client);
  return client;
};

async function take(begin: Begin, seat: FakeSeat): Promise<{ events: Events; leg: Leg; answer: string }> {
  const events = new Events();
  const request: LegRequest = {
    v: 1,
    leg: `leg-${Math.random()}`,
    trace: 't',
    gateway: 'webrtc',
    direction: 'in',
    who: { user: 'alice', proof: 'claimed', address: '127.0.0.1' },
    room: '1000',
    roles: [begin.kind === 'whip' ? 'send' : 'receive'],
    begin: { type: 'offer', native: { ...begin } },
  };
  const leg = await agent.take(request, seat, events.emit);
  const { native } = await events.next('description');
  return { events, leg, answer: (native as { sdp: string }).sdp };
}

async function connect(client: RTCPeerConnection, begin: Omit<Begin, 'sdp'>, seat: FakeSeat) {
  await client.setLocalDescription(await client.createOffer());
  const taken = await take({ ...begin, sdp: client.localDescription!.sdp }, seat);
  await client.setRemoteDescription({ type: 'answer', sdp: taken.answer });
  return taken;
}

/** 20 ms frames of a sine in `format`. */
async function toneFrames(format: Format, frequency: number, count: number): Promise<Buffer[]> {
  const encoder = await openEncoder(format, format.codec === 'opus' ? 48_000 : 8000);
  const rate = encoder.sampleRate;
  const pcm = Int16Array.from({ length: (rate / 50) * count }, (_, i) =>
    Math.round(8000 * Math.sin((2 * Math.PI * frequency * i) / rate)),
  );
  const frames: Buffer[] = [];
  encoder.encode(pcm, payload => void frames.push(Buffer.from(payload)));
  encoder.close();
  return frames;
}

/** Share of the power of what the payloads decode to that is `frequency`, 0 … 1, after the first half. */
async function purity(format: Format, payloads: readonly Uint8Array[], frequency: number): Promise<number> {
  const decoder = await openDecoder(format, 16_000);
  const pcm = payloads.flatMap(p => [...decoder.decode(p)]);
  decoder.close();
  const half = pcm.slice(pcm.length >> 1);
  let [re, im, all] = [0, 0, 0];
  for (const [i, x] of half.entries()) {
    const phase = (2 * Math.PI * frequency * i) / 16_000;
    re += x * Math.cos(phase);
    im += x * Math.sin(phase);
    all += x * x;
  }
  return (2 * (re * re + im * im)) / (half.length * all);
}

const packetOf = (i: number, step: number, payload: Buffer): RtpPacket => {
  const packet = RtpPacket.deSerialize(
    Buffer.concat([Buffer.from('806000000000000000000000', 'hex'), payload]),
  );
  packet.header.sequenceNumber = 1000 + i;
  packet.header.timestamp = 5000 + i * step;
  return packet;
};

const until = async (what: () => boolean): Promise<void> => {
  while (!what()) await new Promise(done => setTimeout(done, 5));
};

describe('WHIP', () => {
  test('opus of a publisher reaches the room, with levels and continuous counters', async () => {
    const client = makeClient();
    const track = new MediaStreamTrack({ kind: 'audio' });
    client.addTransceiver(track, { direction: 'sendonly' });
    const seat = new FakeSeat();
    const { events, leg, answer } = await connect(client, { kind: 'whip' }, seat);
    expect(answer).toContain('a=recvonly');
    expect(answer).toContain('a=setup:passive');
    await client.connectionStateChange.watch(s => s === 'connected');
    const frames = await toneFrames(OPUS, 700, 60);
    for (const [i, payload] of frames.entries()) track.writeRtp(packetOf(i, 960, payload));
    await until(() => (seat.publications[0]?.heard.length ?? 0) === frames.length);
    const [publication] = seat.publications;
    expect(publication!.track).toMatchObject({
      source: 'mic',
      format: { codec: 'opus' },
      canKeyframe: false,
    });
    expect(
      await purity(
        OPUS,
        publication!.heard.map(p => p.payload),
        700,
      ),
    ).toBeGreaterThan(0.99);
    expect(new Set(publication!.heard.slice(1).map((p, i) => p.pts - publication!.heard[i]!.pts))).toEqual(
      new Set([960]),
    );
    expect(new Set(publication!.heard.slice(1).map((p, i) => p.seq - publication!.heard[i]!.seq))).toEqual(
      new Set([1]),
    );
    expect(publication!.heard.at(-1)!.level).toBeGreaterThan(10);
    expect(publication!.heard.at(-1)!.level).toBeLessThan(20);
    expect(seat.isConfirmed).toBe(true);
    expect(events.all).toContainEqual({ type: 'media', state: 'up' });
    expect(leg.stats()).toMatchObject([{ direction: 'in', codec: 'opus', packets: frames.length, lost: 0 }]);
    leg.handle({ type: 'close', why: { blame: 'none', reason: 'kicked' } });
    expect((await events.next('closed')).why.reason).toBe('kicked');
    expect(publication!.closed).toBe(true);
    expect(host.counts.filter(c => !c.startsWith('junk/dtls-'))).toEqual([]); // a busy machine repeats flights
  });

  test('G.711 of a publisher passes untouched', async () => {
    const client = makeClient([usePCMA()]);
    const track = new MediaStreamTrack({ kind: 'audio' });
    client.addTransceiver(track, { direction: 'sendonly' });
    const seat = new FakeSeat();
    await connect(client, { kind: 'whip', track: 'screen' }, seat);
    await client.connectionStateChange.watch(s => s === 'connected');
    const frames = await toneFrames(PCMA, 700, 5);
    for (const [i, payload] of frames.entries()) track.writeRtp(packetOf(i, 160, payload));
    await until(() => (seat.publications[0]?.heard.length ?? 0) === frames.length);
    const [publication] = seat.publications;
    expect(publication!.track).toMatchObject({
      source: 'screen',
      format: { codec: 'PCMA', clockRate: 8000 },
    });
    expect(publication!.heard.map(p => Buffer.from(p.payload))).toEqual(frames);
    expect(publication!.heard.at(-1)!.level).toBe(15); // 8000 / 32768 RMS
  });
});

describe('WHEP', () => {
  test('the mix reaches a player, also after its source changed', async () => {
    const client = makeClient();
    client.addTransceiver('audio', { direction: 'recvonly' });
    const heard: { seq: number; timestamp: number; payload: Buffer }[] = [];
    client.onTrack.subscribe(t =>
      t.onReceiveRtp.subscribe(({ header, payload }) => {
        heard.push({
          seq: header.sequenceNumber,
          timestamp: header.timestamp,
          payload: Buffer.from(payload),
        });
      }),
    );
    const seat = new FakeSeat();
    const { answer, leg, events } = await connect(client, { kind: 'whep' }, seat);
    expect(answer).toContain('a=sendonly');
    expect(answer).toContain('a=msid:slot-0 slot-0');
    await client.connectionStateChange.watch(s => s === 'connected');
    await until(() => seat.subscriptions.length === 1);
    const [mix] = seat.subscriptions;
    expect(mix!.want).toMatchObject({
      kind: 'mix',
      codec: { codec: 'opus', clockRate: 48_000, channels: 2 },
      ptimeMs: 20,
    });
    const frames = await toneFrames(OPUS, 440, 60);
    const play = (from: number, to: number, seq: number, pts: number): void => {
      mix!.on({ type: 'serving', format: OPUS, how: 'mix' });
      for (let i = from; i < to; i++)
        mix!.sink({ seq: seq + i, pts: pts + i * 960, marker: false, payload: frames[i]! }, host.clock.now());
    };
    play(0, 30, 70_000, 5);
    play(30, 60, 9, 2 ** 40); // another source: its numbers have nothing to do with those before
    await until(() => heard.length === 60);
    expect(
      await purity(
        OPUS,
        heard.map(p => p.payload),
        440,
      ),
    ).toBeGreaterThan(0.99);
    expect(new Set(heard.slice(1).map((p, i) => (p.seq - heard[i]!.seq) & 0xffff))).toEqual(new Set([1]));
    expect(leg.stats()).toMatchObject([{ direction: 'out', codec: 'opus', how: 'mix', packets: 60 }]);
    expect(seat.isConfirmed).toBe(true);
    leg.handle({ type: 'close', why: { blame: 'none', reason: 'kicked' } });
    expect((await events.next('closed')).why.reason).toBe('kicked');
    expect(mix!.closed).toBe(true);
  });

  test('three lines play the three loudest, each in the codec it comes in', async () => {
    const client = makeClient([useOPUS(), usePCMA()]);
    for (let i = 0; i < 3; i++) client.addTransceiver('audio', { direction: 'recvonly' });
    const heard = new Map<string, Buffer[]>();
    client.onTrack.subscribe(t =>
      t.onReceiveRtp.subscribe(({ header, payload }) => {
        const key = `${header.ssrc} ${header.payloadType}`;
        heard.set(key, [...(heard.get(key) ?? []), Buffer.from(payload)]);
      }),
    );
    const seat = new FakeSeat();
    const { answer } = await connect(client, { kind: 'whep' }, seat);
    await client.connectionStateChange.watch(s => s === 'connected');
    await until(() => seat.subscriptions.length === 3);
    expect(seat.subscriptions.map(s => s.want)).toMatchObject(
      [0, 1, 2].map(slot => ({
        kind: 'loudest',
        slot,
        of: 3,
        accept: [{ codec: 'opus' }, { codec: 'PCMA' }],
      })),
    );
    const ssrcs = [...answer.matchAll(/a=ssrc:(\d+) cname/g)].map(m => m[1]);
    for (const [i, s] of seat.subscriptions.entries()) {
      s.on({ type: 'serving', format: i === 1 ? PCMA : OPUS, how: 'passthrough' });
      s.sink({ seq: 1, pts: 1, marker: false, payload: Buffer.from([i, 9, 9]) }, host.clock.now());
    }
    await until(() => heard.size === 3);
    expect([...heard].map(([key, payloads]) => [key, payloads[0]![0]])).toEqual([
      [`${ssrcs[0]} 96`, 0],
      [`${ssrcs[1]} 8`, 1],
      [`${ssrcs[2]} 96`, 2],
    ]);
  });

  test('one member only', async () => {
    const client = makeClient();
    client.addTransceiver('audio', { direction: 'recvonly' });
    const seat = new FakeSeat();
    await connect(client, { kind: 'whep', member: 'bob' }, seat);
    await until(() => seat.subscriptions.length === 1);
    expect(seat.subscriptions[0]!.want).toMatchObject({ kind: 'member', participant: 'bob', source: 'mic' });
  });
});
