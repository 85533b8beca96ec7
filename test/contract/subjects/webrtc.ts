import webrtc from '../../../gateways/webrtc/index.ts';
import type { Gateway } from '../../../src/contract.ts';
import { makeOffer } from '../../../src/proto/webrtc/sdp.testing.ts';
import type { Subject } from '../harness.ts';

/** Legs whose browser has not come yet: `werift.test.ts` and `chromium.test.ts` of the gateway close those that have. */
const subject = (kind: 'whip' | 'whep'): Subject => {
  const publishes = kind === 'whip';
  const sdp = makeOffer([{ direction: publishes ? 'sendonly' : 'recvonly' }]);
  return {
    name: `webrtc, ${kind}`,
    gateway: webrtc as Gateway,
    config: { address: '127.0.0.1', port: 0 },
    roles: [publishes ? 'send' : 'receive'],
    confirmed: 'by-media',
    bad: [
      { kind, sdp: 'not a description' },
      { kind, sdp: '' },
      { kind, sdp: sdp.replace(/a=fingerprint.*\r\n/, '') },
      { kind, sdp: sdp.replaceAll('opus', 'speex') },
      { kind, sdp: makeOffer([{ direction: publishes ? 'recvonly' : 'sendonly' }]) },
      { kind: 'carrier pigeon', sdp },
      null,
    ],
    join: async stage => ({
      held: await stage.place(stage.request({ type: 'offer', native: { kind, sdp } })),
    }),
  };
};

export const webrtcs: readonly Subject[] = [subject('whip'), subject('whep')];
