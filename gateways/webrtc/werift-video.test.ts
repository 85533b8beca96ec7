/** werift, a WebRTC stack that shares no code with ours, publishes and plays pictures. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MediaStreamTrack, RTCPeerConnection, RtpHeader, RtpPacket, useH264, useVP8 } from 'werift';
import type { Agent, Format, LegRequest, MediaPacket } from '../../src/contract.ts';
import { Events, FakeSeat, fakeHost } from '../../test/harness/fakes.ts';
import { createWebRtcAgent } from './agent.ts';
import { webrtcConfig } from './config.ts';

const host = fakeHost();
let agent: Agent;
let client: RTCPeerConnection;

beforeEach(async () => {
  host.counts.length = 0;
  const config = { address: '127.0.0.1', port: 0, videoCodecs: ['VP8', 'H264'] };
  agent = createWebRtcAgent(host, webrtcConfig.parse(config));
  await agent.start();
});
afterEach(async () => {
  await client.close();
  await agent.close();
});

async function connect(kind: 'whip' | 'whep', seat: FakeSeat, ready: (c: RTCPeerConnection) => void) {
  const feedback = ['nack', 'nack pli'].map(f => {
    const [type, parameter] = f.split(' ');
    return { type: type!, ...(parameter && { parameter }) };
  });
  client = new RTCPeerConnection({
    iceServers: [],
    iceUseIpv6: false,
    iceAdditionalHostAddresses: ['127.0.0.1'],
    codecs: { video: [useVP8({ rtcpFeedback: feedback }), useH264({ rtcpFeedback: feedback })] },
    bundlePolicy: 'max-bundle',
  });
  ready(client);
  await client.setLocalDescription(await client.createOffer());
  const events = new Events();
  const request: LegRequest = {
    v: 1,
    leg: 'leg',
    trace: 't',
    gateway: 'webrtc',
    direction: 'in',
    who: { user: 'alice', proof: 'claimed', address: '127.0.0.1' },
    room: '1000',
    roles: [kind === 'whip' ? 'send' : 'receive'],
    begin: { type: 'offer', native: { kind, sdp: client.localDescription!.sdp } },
  };
  const leg = await agent.take(request, seat, events.emit);
  const { sdp } = (await events.next('description')).native as { sdp: string };
  await client.setRemoteDescription({ type: 'answer', sdp });
  await client.connectionStateChange.watch(s => s === 'connected');
  return { leg, sdp };
}

const until = async (what: () => boolean): Promise<void> => {
  while (!what()) await new Promise(done => setTimeout(done, 5));
};
/** A VP8 keyframe of 640×480 in two packets, as RFC 7741 has it; nobody decodes it. */
const KEY = [
  Buffer.from('1010 0000 9d01 2a80 02e0 0111'.replaceAll(' ', ''), 'hex'),
  Buffer.from('002233', 'hex'),
];

test('a publisher of VP8: pictures with their marks in the room, keyframe requests at the browser', async () => {
  const track = new MediaStreamTrack({ kind: 'video' });
  let asked = 0;
  const seat = new FakeSeat();
  const { leg } = await connect('whip', seat, c => {
    const { sender } = c.addTransceiver(track, { direction: 'sendonly' });
    sender.onPictureLossIndication.subscribe(() => void asked++);
  });
  const write = (seq: number, payload: Buffer, marker: boolean): void =>
    track.writeRtp(
      new RtpPacket(
        new RtpHeader({ sequenceNumber: seq, timestamp: 9000, marker, payloadType: 96 }),
        payload,
      ),
    );
  for (const [i, payload] of KEY.entries()) write(100 + i, payload, i === 1);
  await until(() => (seat.publications[0]?.heard.length ?? 0) === 2);
  const [publication] = seat.publications;
  expect(publication!.track).toMatchObject({
    source: 'camera',
    canKeyframe: true,
    format: { codec: 'VP8', fmtp: { 'x-size': '640x480' } },
  });
  expect(publication!.heard.map(p => [Buffer.from(p.payload), p.marker, p.frame])).toEqual([
    [KEY[0], false, { start: true, end: false, key: true, config: false, temporal: 0 }],
    [KEY[1], true, { start: false, end: true, key: true, config: false, temporal: 0 }],
  ]);
  expect(asked).toBe(0);
  publication!.ask({ type: 'keyframe' });
  await until(() => asked === 1);
  expect(leg.stats()).toMatchObject([{ media: 'video', packets: 2, width: 640, keyframesAsked: 1 }]);
  expect(seat.isConfirmed).toBe(true);
});

test('a player of two cameras: each in the codec it comes in', async () => {
  const got: { ssrc: number; pt: number; payload: Buffer }[] = [];
  const seat = new FakeSeat();
  const { sdp } = await connect('whep', seat, c => {
    for (let i = 0; i < 3; i++) c.addTransceiver('video', { direction: 'recvonly' });
    c.onTrack.subscribe(t =>
      t.onReceiveRtp.subscribe(({ header, payload }) => {
        got.push({ ssrc: header.ssrc, pt: header.payloadType, payload: Buffer.from(payload) });
      }),
    );
  });
  await until(() => seat.subscriptions.length === 3);
  expect(seat.subscriptions.map(s => s.want)).toMatchObject([
    { kind: 'cameras', slot: 0, of: 2 },
    { kind: 'cameras', slot: 1, of: 2 },
    { kind: 'picture', source: 'content' },
  ]);
  const ssrcs = [...sdp.matchAll(/a=ssrc:(\d+) cname/g)].map(m => Number(m[1]));
  const [vp8, h264] = ['VP8', 'H264'].map(codec =>
    Number(new RegExp(`a=rtpmap:(\\d+) ${codec}/`).exec(sdp)![1]),
  );
  const frame = { start: true, end: true, key: true, config: false, temporal: 0 };
  const play = (at: number, codec: Format['codec'], seqs: readonly number[]): void => {
    const s = seat.subscriptions[at]!;
    s.on({ type: 'serving', format: { codec, clockRate: 90_000 }, how: 'passthrough' });
    for (const seq of seqs) {
      const p: MediaPacket = { seq, pts: 0, marker: true, payload: Buffer.from([at, seq]), frame };
      s.sink(p, host.clock.now());
    }
  };
  play(0, 'H264', [1, 2]);
  play(1, 'VP8', [1]);
  await until(() => got.length === 3);
  expect(got).toEqual([
    { ssrc: ssrcs[0], pt: h264, payload: Buffer.from([0, 1]) },
    { ssrc: ssrcs[0], pt: h264, payload: Buffer.from([0, 2]) },
    { ssrc: ssrcs[1], pt: vp8, payload: Buffer.from([1, 1]) },
  ]);
});
