import type { Feedback, MediaPacket } from '../../../src/contract.ts';
import { seededRandom } from '../../../src/kit/random.ts';
import { SessionPair } from '../../harness/virtual-sessions.ts';
import { quantile, WARM_UP_MS, watchPolicy } from './audio.ts';
import type { VideoRow } from './rows.ts';

const TRACK = 2;
const FPS = 15;
const SOURCE_BPS = 300_000;
const KEY_EVERY = FPS * 4;
/** A key frame is as large as so many others. */
const KEY_SIZE = 8;
const PAYLOAD_BYTES = 1100;
const TICKS = 90_000 / FPS;
const LAST_MS = 2000;

export interface VideoResult {
  readonly policy: string;
  readonly wireBps: number;
  readonly sourceBps: number;
  /** Share of all frames of which something was missing when they were to be shown; of those others depend on. */
  readonly incomplete: number;
  readonly incompleteBase: number;
  /** What playout has to wait for 99 % of the complete frames, beyond the delay of the link, ms. */
  readonly addedMs: number;
  readonly keyframesAsked: number;
}

interface Frame {
  readonly at: number;
  readonly packets: number;
  readonly isBase: boolean;
  readonly got: Set<number>;
  completeAt: number | undefined;
}

/**
 * Frames with the sizes an encoder makes (key frames large, every second frame of the upper layer, and all a little
 * different), sent as bursts of packets; their bytes say which they are.
 */
export function runVideo(row: VideoRow, seed: number, measureMs: number): VideoResult {
  const { paths, delayMs, budgetMs, impairment } = row;
  const pair = new SessionPair({ seed, paths, budgetMs });
  for (let path = 0; path < paths; path++) pair.impair(path, { delayMs, ...impairment });
  const random = seededRandom(seed + 77);
  const frames: Frame[] = [];
  let keyframesAsked = 0;
  let keyWanted = false;
  let scale = 1;
  let sourceBytes = 0;
  let seq = 0;
  pair.server.session.hear(TRACK, (p, now) => {
    const [frame, packet] = [readNumber(p.payload, 0), readNumber(p.payload, 4)];
    const f = frames[frame]!;
    if (f.got.has(packet)) throw new Error(`packet ${packet} of frame ${frame} was handed on twice`);
    f.got.add(packet);
    if (f.got.size === f.packets) f.completeAt = now;
  });
  const heed = (f: Feedback): void => {
    if (f.type === 'keyframe') {
      keyframesAsked++;
      keyWanted = true;
    } else if (f.type === 'bitrate') scale = Math.min(1, f.bps / SOURCE_BPS);
  };
  const track = pair.client.session.send(TRACK, 'video', 90_000, heed);
  const send = (now: number): void => {
    const n = frames.length;
    const key = n % KEY_EVERY === 0 || keyWanted;
    keyWanted = false;
    const isBase = key || n % 2 === 0;
    const mean = SOURCE_BPS / 8 / FPS / (1 + (KEY_SIZE - 1) / KEY_EVERY);
    const bytes = Math.max(60, mean * scale * (key ? KEY_SIZE : isBase ? 1.3 : 0.7) * (0.7 + 0.6 * random()));
    const packets = Math.ceil(bytes / PAYLOAD_BYTES);
    frames.push({ at: now, packets, isBase, got: new Set(), completeAt: undefined });
    sourceBytes += bytes;
    for (let i = 0; i < packets; i++) {
      const payload = Buffer.alloc(Math.ceil(bytes / packets));
      payload.writeUInt32BE(n, 0);
      payload.writeUInt32BE(i, 4);
      const frame = { start: i === 0, end: i === packets - 1, key, config: false, temporal: isBase ? 0 : 1 };
      const p: MediaPacket = { seq: seq++, pts: n * TICKS, marker: frame.end, payload, frame };
      track.sink(p, now);
    }
    pair.client.look(now);
  };
  const stop = pair.net.clock.every(1000 / FPS, send);
  pair.run(WARM_UP_MS);
  const first = frames.length;
  const [bytesBefore, sourceBefore] = [pair.sentBytes('client'), sourceBytes];
  const watched = watchPolicy(pair, () => track.stats.policy);
  pair.run(measureMs);
  const policy = watched();
  const seconds = measureMs / 1000;
  const [wireBps, sourceBps] = [
    ((pair.sentBytes('client') - bytesBefore) * 8) / seconds,
    ((sourceBytes - sourceBefore) * 8) / seconds,
  ];
  const last = frames.length;
  stop();
  pair.run(LAST_MS);
  const measured = frames.slice(first, last);
  const late = (f: Frame): number => (f.completeAt ?? Number.POSITIVE_INFINITY) - f.at - delayMs;
  const share = (of: readonly Frame[]): number => of.filter(f => late(f) > budgetMs).length / of.length;
  return {
    policy,
    wireBps,
    sourceBps,
    incomplete: share(measured),
    incompleteBase: share(measured.filter(f => f.isBase)),
    addedMs: quantile(
      measured.map(late).filter(l => l <= budgetMs),
      0.99,
    ),
    keyframesAsked,
  };
}

const readNumber = (b: Uint8Array, at: number): number =>
  new DataView(b.buffer, b.byteOffset, b.length).getUint32(at);
