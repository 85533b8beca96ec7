import { afterEach, vi } from 'vitest';
import { LinkWorld } from '../../test/harness/link.ts';
import type { Format, MediaPacket, NewTrack } from '../contract.ts';
import { Refusal } from '../kit/refusal.ts';
import type { TrackState } from '../media/room-source.ts';
import type { JoinAsk } from '../room/port.ts';

const opus: Format = { codec: 'opus', clockRate: 48_000, channels: 2, fmtp: { useinbandfec: '1' } };
export const pcma: Format = { codec: 'PCMA', clockRate: 8000 };
export const h264: Format = { codec: 'H264', clockRate: 90_000, fmtp: { 'packetization-mode': '1' } };
export const mic: NewTrack = { source: 'mic', format: opus, canKeyframe: true, syncGroup: 'l1' };
export const camera: NewTrack = {
  source: 'camera',
  format: h264,
  canKeyframe: false,
  syncGroup: 'l1',
  layers: ['q', 'h'],
};
export const asking = (leg: string, user = 'alice'): JoinAsk => ({
  leg,
  gateway: 'sip',
  who: { user, display: 'Alice', proof: 'token', credential: 'c', address: '192.0.2.1' },
  roles: ['send', 'receive'],
});
export const state = (id: string, format: Format = opus, more: Partial<TrackState> = {}): TrackState => ({
  info: { id, participant: 'bob', source: 'mic', format, canKeyframe: true, syncGroup: 'b' },
  paused: false,
  visible: true,
  ...more,
});
export const audio = (i: number): MediaPacket => ({
  seq: 65_530 + i,
  pts: 2 ** 32 - 960 + 960 * i,
  marker: i === 0,
  payload: Buffer.from(`audio ${i}`),
  level: (i * 7) % 128,
});
export const video = (i: number): MediaPacket => ({
  seq: 7_000_000_000 + i,
  pts: 9_000_000_000_000 + 3000 * Math.floor(i / 3),
  marker: i % 3 === 2,
  payload: Buffer.alloc(1 + ((i * 131) % 1200), i),
  frame: { start: i % 3 === 0, end: i % 3 === 2, key: i < 3, config: i === 0, temporal: i % 4 },
});
export const leaving = { blame: 'client', reason: 'hung-up' } as const;

export const worlds: { close(): Promise<void> }[] = [];
export async function world(...args: ConstructorParameters<typeof LinkWorld>): Promise<LinkWorld> {
  const w = await new LinkWorld(...args).listen();
  worlds.push(w);
  return w;
}
afterEach(async () => {
  for (const w of worlds.splice(0)) await w.close();
  vi.restoreAllMocks();
});
export const refusal = (p: Promise<unknown>): Promise<Refusal['why']> =>
  p.then(
    () => Promise.reject(new Error('not refused')),
    e => (e instanceof Refusal ? e.why : Promise.reject(e)),
  );
