import { MediaStreamTrack, RTCPeerConnection, useH264, useOPUS } from 'werift';
import type { Format } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { Camera } from './camera.ts';
import type { DemoMember, DemoPart } from './demo-member.ts';
import { openPart } from './demo-sounds.ts';
import { ask } from './http.ts';
import { Talker } from './talker.ts';
import { writer } from './whip-caller.ts';
import { H264_PAYLOAD_TYPE, OPUS_PAYLOAD_TYPE } from './whip-session.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48_000, channels: 2 };
const CONNECT_MS = 10_000;
const HTTP_MS = 5000;

/** A browser without a window: publishes by WHIP through werift. Rejects with a Refusal when it cannot. */
export async function publishAsBrowser(o: DemoPart): Promise<DemoMember> {
  const { place, user, clock } = o;
  const closers: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0).reverse()) await end();
  };
  try {
    const camera = o.studio && new Camera(o.studio, o.picture, o.say);
    if (camera) closers.push(() => camera.close());
    const tone = await openPart(o.part, OPUS);
    const peer = new RTCPeerConnection({
      iceServers: [],
      iceUseIpv6: false,
      iceAdditionalHostAddresses: ['127.0.0.1'],
      codecs: {
        audio: [useOPUS({ payloadType: OPUS_PAYLOAD_TYPE })],
        video: [useH264({ payloadType: H264_PAYLOAD_TYPE })],
      },
      bundlePolicy: 'max-bundle',
    });
    closers.push(() => peer.close().catch(() => {}));
    const sound = new MediaStreamTrack({ kind: 'audio' });
    const video = new MediaStreamTrack({ kind: 'video' });
    peer.addTransceiver(sound, { direction: 'sendonly' });
    if (camera)
      peer
        .addTransceiver(video, { direction: 'sendonly' })
        .sender.onPictureLossIndication.subscribe(() => camera.requestKey());
    const gone = new Promise<string>(done =>
      peer.connectionStateChange.subscribe(state => {
        if (state === 'failed' || state === 'closed' || state === 'disconnected')
          done('The WebRTC connection was lost.');
      }),
    );
    closers.push(await offer(peer, place.web, place.room, user, await place.token?.(user)));
    await connected(peer, o);
    const talker = new Talker(tone, clock, writer(sound, OPUS_PAYLOAD_TYPE, OPUS.clockRate));
    closers.push(() => talker.stop());
    camera?.send(clock, writer(video, H264_PAYLOAD_TYPE, 90_000));
    return { gone, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** POST the offer (RFC 9725); returns the DELETE. */
async function offer(
  peer: RTCPeerConnection,
  web: string,
  room: string,
  user: string,
  token: string | undefined,
): Promise<() => Promise<unknown>> {
  await peer.setLocalDescription(await peer.createOffer());
  const url = new URL(`/whip/${encodeURIComponent(room)}?user=${encodeURIComponent(user)}`, web);
  const http = {
    addresses: [{ address: '127.0.0.1', family: 4 }],
    trusting: true, // it is this machine
    timeoutMs: HTTP_MS,
    headers: {
      'content-type': 'application/sdp',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
  };
  const answer = await ask('POST', url, { ...http, body: peer.localDescription?.sdp ?? '' });
  if (answer.status !== 201)
    throw refuse(
      'upstream',
      'whip-refused',
      `WHIP was answered with ${answer.status}: ${answer.body.slice(0, 200)}`,
    );
  await peer.setRemoteDescription({ type: 'answer', sdp: answer.body });
  const session = new URL(answer.headers.location ?? '', url);
  return () => ask('DELETE', session, http).catch(() => {});
}

async function connected(peer: RTCPeerConnection, { clock }: DemoPart): Promise<void> {
  if (peer.connectionState === 'connected') return;
  let disarm = (): void => {};
  try {
    await new Promise<void>((done, fail) => {
      peer.connectionStateChange.subscribe(state => {
        if (state === 'connected') done();
      });
      disarm = clock.at(clock.now() + CONNECT_MS, () =>
        fail(refuse('upstream', 'timeout', `WebRTC did not connect in ${CONNECT_MS / 1000} s.`)),
      );
    });
  } finally {
    disarm();
  }
}
