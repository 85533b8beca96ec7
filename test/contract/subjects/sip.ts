import sip from '../../../gateways/sip/index.ts';
import type { Gateway, Json } from '../../../src/contract.ts';
import type { Subject } from '../harness.ts';

const sdp = (version: number, ...lines: string[]): Json => ({
  sdp: ['v=0', `o=- 1 ${version} IN IP4 127.0.0.1`, 's=-', 'c=IN IP4 127.0.0.1', 't=0 0', ...lines, ''].join(
    '\r\n',
  ),
});
const offer = sdp(1, 'm=audio 40000 RTP/AVP 0 8 101', 'a=rtpmap:101 telephone-event/8000');

const common = {
  gateway: sip as Gateway,
  config: { address: '127.0.0.1', port: 0, rtpPorts: { min: 0, max: 0 } },
  roles: ['send', 'receive'],
  confirmed: 'by-command',
  bad: [
    null,
    {},
    { sdp: 'not a description' },
    sdp(1),
    sdp(1, 'm=audio 40000 RTP/AVP 3'),
    sdp(1, 'm=audio 40000 RTP/SAVP 0'),
    sdp(1, 'm=video 40000 RTP/AVP 96', 'a=rtpmap:96 VP8/90000'),
  ],
} as const;

export const sips: readonly Subject[] = [
  {
    ...common,
    name: 'sip, called with an offer',
    hold: sdp(2, 'm=audio 40000 RTP/AVP 0 8 101', 'a=rtpmap:101 telephone-event/8000', 'a=sendonly'),
    join: async stage => ({ held: await stage.place(stage.request({ type: 'offer', native: offer })) }),
  },
  {
    ...common,
    name: 'sip, called without an offer',
    join: async stage => {
      const held = await stage.place(stage.request({ type: 'make-offer' }));
      held.leg.handle({
        type: 'answer',
        id: 0,
        native: sdp(1, 'm=audio 40000 RTP/AVP 0', 'a=rtpmap:0 PCMU/8000'),
      });
      return { held };
    },
  },
];
