import webrtc from '../../../gateways/webrtc/index.ts';
import type { Gateway } from '../../../src/contract.ts';
import { PLAYOUT_DELAY, TRANSPORT_CC } from '../../../src/proto/webrtc/extensions.ts';
import { type LineAsk, makeOffer } from '../../../src/proto/webrtc/sdp.testing.ts';
import type { Subject } from '../harness.ts';

/** Legs whose browser has not come yet: `werift.test.ts` and `chromium.test.ts` of the gateway close those that have. */
const subject = (kind: 'whip' | 'whep', offers: 'sound' | 'sound and pictures'): Subject => {
  const publishes = kind === 'whip';
  const direction = publishes ? 'sendonly' : 'recvonly';
  const sdp = makeOffer([{ direction }, ...(offers === 'sound' ? [] : [{ ...picture, direction }])]);
  return {
    name: `webrtc, ${kind}, ${offers}`,
    gateway: webrtc as Gateway,
    config: { address: '127.0.0.1', port: 0 },
    roles: [publishes ? 'send' : 'receive'],
    confirmed: 'by-media',
    bad: [
      { kind, sdp: 'not a description' },
      { kind, sdp: '' },
      { kind, sdp: sdp.replace(/a=fingerprint.*\r\n/g, '') },
      { kind, sdp: sdp.replaceAll('opus', 'speex').replaceAll('H264', 'H266').replaceAll('VP8', 'VP10') },
      { kind, sdp: makeOffer([{ direction: publishes ? 'recvonly' : 'sendonly' }]) },
      { kind: 'carrier pigeon', sdp },
      null,
    ],
    join: async stage => ({
      held: await stage.place(stage.request({ type: 'offer', native: { kind, sdp } })),
    }),
  };
};

/** As Chromium offers it: both codecs with retransmission, and its header extensions. */
const picture: LineAsk = {
  kind: 'video',
  codecs: [
    '96 VP8/90000',
    '97 rtx/90000',
    '102 H264/90000',
    '103 rtx/90000',
    '106 H264/90000',
    '45 AV1/90000',
  ],
  more: [
    'a=fmtp:97 apt=96',
    'a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
    'a=fmtp:103 apt=102',
    'a=fmtp:106 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f',
    ...['nack', 'nack pli', 'ccm fir', 'goog-remb', 'transport-cc'].flatMap(f =>
      [96, 102, 106].map(pt => `a=rtcp-fb:${pt} ${f}`),
    ),
    `a=extmap:4 ${TRANSPORT_CC}`,
    `a=extmap:5 ${PLAYOUT_DELAY}`,
  ],
};

export const webrtcs: readonly Subject[] = (['sound', 'sound and pictures'] as const).flatMap(offers => [
  subject('whip', offers),
  subject('whep', offers),
]);
