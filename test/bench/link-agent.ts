/** An agent process: publishes by a link what `sendWhenAsked` says. Argument: JSON of the room node and of certificates. */
import { randomBytes } from 'node:crypto';
import type { MediaPacket, NewTrack } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { LinkClient } from '../../src/link/client.ts';
import { PAYLOAD_BYTES, SAMPLES, sendWhenAsked, TRACKS } from './link-load.ts';

const reach = JSON.parse(process.argv[2] as string) as {
  tlsPort: number;
  fingerprint: string;
  certPem: string;
  keyPem: string;
};
const drops = new Map<string, number>();
const client = new LinkClient({
  ...reach,
  process: 'agent',
  host: '127.0.0.1',
  clock: systemClock,
  random: randomBytes,
  count: reason => void drops.set(reason, (drops.get(reason) ?? 0) + 1),
  onBug: error => {
    throw error;
  },
});
const port = client.port('1000');
const who = { user: 'crowd', proof: 'claimed' } as const;
await port.join({ leg: 'l', gateway: 'sip', who, roles: ['send'] }, () => {});
const mic: NewTrack = {
  source: 'mic',
  format: { codec: 'PCMU', clockRate: 8000 },
  canKeyframe: true,
  syncGroup: 'l',
};
const sinks = Array.from({ length: TRACKS }, (_, i) => port.publish('l', `l/${i}`, mic, () => {}).sink);
const packet: MediaPacket = {
  seq: 0,
  pts: 0,
  marker: false,
  payload: Buffer.alloc(PAYLOAD_BYTES, 0x5a),
  level: 30,
};
sendWhenAsked((n, now) => {
  packet.seq = Math.floor(n / TRACKS);
  packet.pts = packet.seq * SAMPLES;
  (sinks[n % TRACKS] as (typeof sinks)[number])(packet, now);
});
process.on('message', m => {
  if (m === 'drops') process.send?.({ drops: [...drops] });
});
process.send?.({ ready: true });
