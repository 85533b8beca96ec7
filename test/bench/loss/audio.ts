import type { Impairment } from '../../../src/kit/impairment.ts';
import { SessionPair } from '../../harness/virtual-sessions.ts';
import { FRAME_MS, FRAME_TICKS, type Speech } from './speech.ts';

const TRACK = 1;
/** One way. */
const DELAY_MS = 50;
/** Policy, estimate and feedback find their level in this time; it does not count. */
export const WARM_UP_MS = 20_000;
/** What is under way at the end may still arrive. */
const LAST_MS = 1000;

export interface AudioRun {
  readonly seed: number;
  readonly paths: number;
  readonly budgetMs: number;
  /** Each path, each direction; `delayMs` is added. */
  readonly impairment: Impairment;
  readonly measureMs: number;
  /** Called at the end of the warm-up, when the link changes in flight. */
  readonly changed?: Impairment;
  readonly warmUpMs?: number;
}

export interface AudioResult {
  /** The one that was in force longest, and how much of the time. */
  readonly policy: string;
  /** Of the media's direction, everything that was sent, headers of IP and UDP counted. */
  readonly wireBps: number;
  /** Of the way back: feedback. */
  readonly backBps: number;
  /** Share of the frames that were not there at their playout time. */
  readonly residual: number;
  /** By how much each frame that came was later than it was sent, ms, in order. */
  readonly lateMs: readonly (number | undefined)[];
  /** Every frame of the measured part: its payload when it was there in time. */
  readonly frames: readonly (Uint8Array | undefined)[];
  /** Share of the datagrams that the link lost, and that its queue dropped, in the measured part. */
  readonly lost: number;
  readonly dropped: number;
  /** Sent in each second since the beginning, warm-up included, bit/s. */
  readonly bySecondBps: readonly number[];
}

/** One row: speech from the client to the server through lossy links, feedback through links as lossy. */
export function runAudio(o: AudioRun, { frames, levels }: Speech): AudioResult {
  const { seed, paths, budgetMs, measureMs, warmUpMs = WARM_UP_MS } = o;
  const pair = new SessionPair({ seed, paths, budgetMs });
  const impair = (i: Impairment): void => {
    for (let path = 0; path < paths; path++) pair.impair(path, { delayMs: DELAY_MS, ...i });
  };
  impair(o.impairment);
  const arrivals: (number | undefined)[] = [];
  const payloads: (Uint8Array | undefined)[] = [];
  pair.server.session.hear(TRACK, (p, now) => {
    const k = Math.round(p.pts / FRAME_TICKS);
    if (arrivals[k] !== undefined) throw new Error(`frame ${k} was handed on twice`);
    arrivals[k] = now;
    payloads[k] = p.payload.slice();
  });
  const track = pair.client.session.send(TRACK, 'audio', 48_000, () => {});
  const sent: number[] = [];
  const stop = pair.net.clock.every(FRAME_MS, now => {
    const k = sent.length;
    const [payload, level] = [frames[k % frames.length]!, levels[k % frames.length]!];
    sent.push(now);
    track.sink({ seq: k, pts: k * FRAME_TICKS, marker: k === 0, payload, level }, now);
    pair.client.look(now);
  });
  const bySecondBps: number[] = [];
  let sentBefore = 0;
  const stopCounting = pair.net.clock.every(1000, () => {
    const bytes = pair.sentBytes('client');
    bySecondBps.push((bytes - sentBefore) * 8);
    sentBefore = bytes;
  });
  pair.run(warmUpMs);
  if (o.changed !== undefined) impair(o.changed);
  if (o.changed !== undefined) pair.run(warmUpMs);
  const first = sent.length;
  const before = totals(pair, paths);
  const watched = watchPolicy(pair, () => track.stats.policy);
  pair.run(measureMs);
  const after = totals(pair, paths);
  const last = sent.length;
  const policy = watched();
  stop();
  stopCounting();
  pair.run(LAST_MS);
  const lateMs = sent.slice(first, last).map((at, i) => {
    const came = arrivals[first + i];
    return came === undefined ? undefined : came - at - DELAY_MS;
  });
  const inTime = lateMs.map((late, i) =>
    late !== undefined && late <= budgetMs ? payloads[first + i] : undefined,
  );
  inTime.forEach((payload, i) => {
    if (payload !== undefined && !same(payload, frames[(first + i) % frames.length]!))
      throw new Error(`frame ${first + i} came with other bytes`);
  });
  const seconds = measureMs / 1000;
  const packets = after.packets - before.packets;
  return {
    policy,
    wireBps: ((after.bytes - before.bytes) * 8) / seconds,
    backBps: ((after.backBytes - before.backBytes) * 8) / seconds,
    residual: inTime.filter(f => f === undefined).length / inTime.length,
    lateMs,
    frames: inTime,
    lost: (after.lost - before.lost) / packets,
    dropped: (after.dropped - before.dropped) / packets,
    bySecondBps,
  };
}

/** Looks every quarter of a second; the answer ends it and tells what was in force longest. */
export function watchPolicy(pair: SessionPair, policy: () => string): () => string {
  const seen = new Map<string, number>();
  const stop = pair.net.clock.every(250, () => void seen.set(policy(), (seen.get(policy()) ?? 0) + 1));
  return () => {
    stop();
    const total = [...seen.values()].reduce((sum, n) => sum + n, 0);
    const [name, times] = [...seen].sort((a, b) => b[1] - a[1])[0] ?? ['', 0];
    return `${name} ${Math.round((100 * times) / total)} %`;
  };
}

function totals(pair: SessionPair, paths: number) {
  const stats = Array.from({ length: paths }, (_, path) => pair.statsOf(path, 'client'));
  const sum = (of: 'packets' | 'lost' | 'dropped'): number => stats.reduce((n, s) => n + s[of], 0);
  return {
    bytes: pair.sentBytes('client'),
    backBytes: pair.sentBytes('server'),
    packets: sum('packets'),
    lost: sum('lost'),
    dropped: sum('dropped'),
  };
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** What playout must wait beyond the delay of the link, so that no more than `residual` of the frames are missed, ms. */
export const neededMs = ({ lateMs }: Pick<AudioResult, 'lateMs'>, residual: number): number =>
  quantile(
    lateMs.map(l => l ?? Number.POSITIVE_INFINITY),
    1 - residual,
  );

/** 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
