/**
 * Run by `calls.ts`: a SIP front with nothing behind it. Every call is answered at once with a description of no media;
 * legs, rooms and ports do not exist. Tells its port.
 */
import { sipConfig } from '../../gateways/sip/config.ts';
import { createSipFront } from '../../gateways/sip/front.ts';
import type { LegEvent, LegRequest, PlacedLeg } from '../../src/contract.ts';
import { fakeHost } from '../harness/fakes.ts';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\n';

const place = async (ask: LegRequest, on: (e: LegEvent) => void): Promise<PlacedLeg> => {
  on({ type: 'description', id: 0, native: { sdp: SDP } });
  return { id: ask.leg, agent: 'none', participant: 'nobody', secret: '', send() {} };
};
const front = createSipFront(
  fakeHost({ place }),
  sipConfig.parse({
    address: '127.0.0.1',
    port: 0,
    tls: { enabled: false },
    maxLegs: 100_000,
    callsPerSecond: 1e6,
    messagesPerSecond: 1e6,
  }),
);
const [first] = await front.start();
process.send?.({ ports: [Number(/:(\d+)$/.exec(first?.url ?? '')?.[1])] });
process.once('SIGTERM', () => process.exit()); // writes its profile, where one is asked for
