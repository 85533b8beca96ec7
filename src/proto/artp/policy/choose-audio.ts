import { COPY_SPACING_MS } from '../media/copies.ts';
import { type AudioPolicy, PLAIN_AUDIO } from '../media/policy-types.ts';
import { RED_PATTERNS } from '../media/red-patterns.ts';
import { AudioReplay, NACK_MS, NOTHING_KNOWN } from './audio-replay.ts';
import { BURSTY, channelsOf } from './channel.ts';
import {
  type AudioChoice,
  cheapest,
  hadOneOutage,
  isClean,
  isEnough,
  judged,
  LUCK,
  type PolicyInput,
  type Priced,
  RECENT_MS,
  taxOf,
  worseOf,
} from './choice.ts';
import { audioBps, MOST_PAYLOAD, OVERHEAD_BYTES, redBytes } from './cost.ts';

/** Before so many slots had their full chance nothing is known; two earlier packets with each are a cheap guess. */
const LEAST_SLOTS = 15;
const UNKNOWN: AudioPolicy = { ...PLAIN_AUDIO, pattern: 2 };
/** Of a pattern all that may be tried; made once, for this is looked through four times a second and session. */
interface Family {
  readonly distances: readonly number[];
  readonly nack: AudioPolicy;
  /** By copies − 1, on one path and on two; and the same with the copies leaving at once. */
  readonly copied: readonly (readonly [AudioPolicy, AudioPolicy])[];
  readonly atOnce: readonly (readonly [AudioPolicy, AudioPolicy])[];
}
const COPIES = [1, 2, 3, 4] as const;
const FAMILIES: readonly Family[] = RED_PATTERNS.map((distances, pattern) => {
  const plain: AudioPolicy = { ...PLAIN_AUDIO, pattern };
  const both = (p: AudioPolicy): readonly [AudioPolicy, AudioPolicy] => [p, { ...p, twoPaths: true }];
  return {
    distances,
    nack: { ...plain, nack: true },
    copied: COPIES.map(copies => both({ ...plain, copies })),
    atOnce: COPIES.map(copies => both({ ...plain, copies, atOnce: true })),
  };
});

/** Everything that may be tried: in the delay budget, in one datagram. */
export function audioCandidates(i: PolicyInput): AudioPolicy[] {
  const payload = payloadOf(i);
  const canAsk = i.rttMs !== undefined && i.packetMs + i.rttMs + NACK_MS <= i.budgetMs;
  const all: AudioPolicy[] = [];
  for (const f of FAMILIES) {
    const blocks = f.distances.length;
    const late = blocks > 0 ? f.distances[blocks - 1]! * i.packetMs : 0;
    if (late > i.budgetMs || (blocks > 0 && redBytes(blocks, payload) > MOST_PAYLOAD)) continue;
    for (const copies of COPIES) {
      const isTight = copies > 1 && late + (copies - 1) * COPY_SPACING_MS > i.budgetMs;
      const [one, two] = (isTight ? f.atOnce : f.copied)[copies - 1]!;
      all.push(one);
      if (i.paths.length > 1) all.push(two);
      if (copies === 1 && canAsk) all.push(f.nack);
    }
  }
  return all;
}

/** Where nothing is lost it costs nothing. */
const isFree = (p: AudioPolicy): boolean => p.pattern === 0 && p.copies === 1 && !p.twoPaths;

const payloadOf = (i: PolicyInput): number => Math.ceil((i.sourceBps * i.packetMs) / 8000);

/** What `policy` adds to the delay. */
function audioDelayMs(p: AudioPolicy, packetMs: number, rttMs: number | undefined): number {
  const red = (RED_PATTERNS[p.pattern]!.at(-1) ?? 0) * packetMs;
  const asked = p.nack ? packetMs + (rttMs ?? 0) + NACK_MS : 0;
  return Math.max(red, asked);
}

export function chooseAudio(i: PolicyInput): AudioChoice {
  const payload = payloadOf(i);
  const budget = Math.floor(i.budgetMs / i.packetMs);
  const leastMs = (LEAST_SLOTS + budget) * i.packetMs;
  const clean = isClean(i.paths[0], leastMs) || hadOneOutage(i.paths[0], leastMs);
  const channels = clean ? [] : channelsOf(i.paths, i.packetMs);
  const known = channels.length > 0 && channels[0]!.slots - budget >= LEAST_SLOTS;
  const replay = known
    ? new AudioReplay(channels, {
        budget,
        roundTrip: Math.max(1, Math.ceil(((i.rttMs ?? i.budgetMs) + NACK_MS) / i.packetMs)),
        recent: Math.floor(RECENT_MS / i.packetMs),
      })
    : undefined;
  const share = channels[0]?.share ?? 0;
  const luck = share < BURSTY ? LUCK.audio : LUCK.bursts;
  const lossNow = replay?.missing(PLAIN_AUDIO).all ?? 0;
  const standbyBps = i.paths[1]?.availableBps ?? 0;
  const price = (policy: AudioPolicy): Priced<AudioPolicy> => {
    const again = policy.nack ? (lossNow * (payload + OVERHEAD_BYTES) * 8000) / i.packetMs : 0;
    const pathBps = audioBps(policy, payload, i.packetMs) + again;
    return { policy, pathBps, bitrateBps: policy.twoPaths ? pathBps * 2 : pathBps };
  };
  const judge = ({ policy, pathBps, bitrateBps }: Priced<AudioPolicy>): AudioChoice => {
    const missing = replay?.missing(policy) ?? NOTHING_KNOWN;
    return {
      policy,
      bitrateBps,
      pathBps,
      residual: worseOf(missing),
      availableBps: i.availableBps,
      delayMs: audioDelayMs(policy, i.packetMs, i.rttMs),
      enough: isEnough(missing, luck),
      sourceBps: i.sourceBps,
    };
  };
  const fits = (c: Priced<AudioPolicy>): boolean =>
    c.pathBps <= i.availableBps && (!c.policy.twoPaths || c.pathBps <= standbyBps);
  if (!replay && !clean) {
    const guess = judge(price(UNKNOWN));
    return fits(guess) && guess.delayMs <= i.budgetMs ? guess : judge(price(PLAIN_AUDIO));
  }
  const candidates = clean ? audioCandidates(i).filter(isFree) : audioCandidates(i);
  const fitting = judged(candidates.map(price).filter(fits), judge);
  const tax = ({ policy: p }: AudioChoice): number => taxOf(p.copies, p.twoPaths, share);
  return fitting.length > 0 ? cheapest(fitting, i.held, tax) : judge(price(PLAIN_AUDIO));
}
