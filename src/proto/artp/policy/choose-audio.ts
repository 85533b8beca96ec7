import { COPY_SPACING_MS } from '../media/copies.ts';
import { type AudioPolicy, PLAIN_AUDIO } from '../media/policy-types.ts';
import { RED_PATTERNS } from '../media/red-patterns.ts';
import { AudioReplay, NACK_MS, NOTHING_KNOWN } from './audio-replay.ts';
import { channelsOf } from './channel.ts';
import {
  type AudioChoice,
  cheapest,
  isEnough,
  LUCK,
  type PolicyInput,
  RECENT_MS,
  taxOf,
  worseOf,
} from './choice.ts';
import { audioBps, MOST_PAYLOAD, OVERHEAD_BYTES, redBytes } from './cost.ts';

/** Before so many slots had their full chance nothing is known; two earlier packets with each are a cheap guess. */
const LEAST_SLOTS = 15;
const UNKNOWN: AudioPolicy = { ...PLAIN_AUDIO, pattern: 2 };
const COPIES = [1, 2, 3, 4] as const;

/** Everything that may be tried: in the delay budget, in one datagram. */
export function audioCandidates(i: PolicyInput): AudioPolicy[] {
  const payload = payloadOf(i);
  const canAsk = i.rttMs !== undefined && i.packetMs + i.rttMs + NACK_MS <= i.budgetMs;
  const all: AudioPolicy[] = [];
  RED_PATTERNS.forEach((distances, pattern) => {
    const late = (distances.at(-1) ?? 0) * i.packetMs;
    if (late > i.budgetMs || (pattern > 0 && redBytes(distances.length, payload) > MOST_PAYLOAD)) return;
    for (const copies of COPIES) {
      const atOnce = copies > 1 && late + (copies - 1) * COPY_SPACING_MS > i.budgetMs;
      const p: AudioPolicy = { ...PLAIN_AUDIO, pattern, copies, ...(atOnce ? { atOnce } : {}) };
      all.push(p);
      if (i.paths.length > 1) all.push({ ...p, twoPaths: true });
      if (copies === 1 && canAsk) all.push({ ...p, nack: true });
      if (copies === 1 && pattern === 0 && i.sourceFec && i.packetMs <= i.budgetMs)
        all.push({ ...p, fec: true });
    }
  });
  return all;
}

const payloadOf = (i: PolicyInput): number => Math.ceil((i.sourceBps * i.packetMs) / 8000);

/** What `policy` adds to the delay. */
function audioDelayMs(p: AudioPolicy, packetMs: number, rttMs: number | undefined): number {
  const red = (RED_PATTERNS[p.pattern]!.at(-1) ?? 0) * packetMs;
  const asked = p.nack ? packetMs + (rttMs ?? 0) + NACK_MS : 0;
  return Math.max(red, asked, p.fec ? packetMs : 0);
}

export function chooseAudio(i: PolicyInput): AudioChoice {
  const payload = payloadOf(i);
  const budget = Math.floor(i.budgetMs / i.packetMs);
  const channels = channelsOf(i.paths, i.packetMs);
  const known = channels.length > 0 && channels[0]!.slots - budget >= LEAST_SLOTS;
  const replay = known
    ? new AudioReplay(channels, {
        budget,
        roundTrip: Math.max(1, Math.ceil(((i.rttMs ?? i.budgetMs) + NACK_MS) / i.packetMs)),
        recent: Math.floor(RECENT_MS / i.packetMs),
      })
    : undefined;
  const lossNow = replay?.missing(PLAIN_AUDIO).all ?? 0;
  const standbyBps = i.paths[1]?.availableBps ?? 0;
  const judge = (policy: AudioPolicy): AudioChoice => {
    const { all, recent, slots } = replay?.missing(policy) ?? NOTHING_KNOWN;
    const again = policy.nack ? (lossNow * (payload + OVERHEAD_BYTES) * 8000) / i.packetMs : 0;
    const pathBps = audioBps(policy, payload, i.packetMs) + again;
    return {
      policy,
      residual: worseOf(all, recent),
      bitrateBps: policy.twoPaths ? pathBps * 2 : pathBps,
      pathBps,
      availableBps: i.availableBps,
      delayMs: audioDelayMs(policy, i.packetMs, i.rttMs),
      enough: isEnough(all, recent, slots, LUCK.audio),
      sourceBps: i.sourceBps,
    };
  };
  const fits = (c: AudioChoice): boolean =>
    c.pathBps <= i.availableBps && (!c.policy.twoPaths || c.pathBps <= standbyBps);
  if (!replay) {
    const guess = judge(UNKNOWN);
    return fits(guess) && guess.delayMs <= i.budgetMs ? guess : judge(PLAIN_AUDIO);
  }
  const fitting = audioCandidates(i).map(judge).filter(fits);
  const tax = ({ policy: p }: AudioChoice): number =>
    taxOf(p.copies * (p.twoPaths ? 2 : 1), channels[0]!.share);
  return fitting.length > 0 ? cheapest(fitting, i.held, tax) : judge(PLAIN_AUDIO);
}
