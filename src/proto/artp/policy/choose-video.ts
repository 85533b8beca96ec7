import { PLAIN_VIDEO, type VideoPolicy } from '../media/policy-types.ts';
import { NACK_MS, NOTHING_KNOWN } from './audio-replay.ts';
import { BURSTY, type Channel, channelsOf } from './channel.ts';
import {
  cheapest,
  isClean,
  isEnough,
  judged,
  LUCK,
  type PolicyInput,
  type Priced,
  RECENT_MS,
  type VideoChoice,
  worseOf,
} from './choice.ts';
import { OVERHEAD_BYTES } from './cost.ts';
import { MOST_REPAIR, repairPackets, triesWithin, VideoReplay } from './video-replay.ts';

/** Before so many frames had their full chance nothing is known. */
const LEAST_FRAMES = 10;
/** Payload of a video packet, and what a repair packet has beside it. */
const PACKET_BYTES = 1100;
const REPAIR_BYTES = 8;
/** Repair for layer 0; key frames get the next more, layers above it half. */
const REPAIR = [0, 0.2, 0.35, 0.5, 0.75, 1, MOST_REPAIR] as const;
/** Where losses come in bursts: sending n times as much must cut what is missing by more than n. */
const BURST_TAX = 1.25;
/** Of the source's rate; below it a picture is not worth its packets. */
const SOURCES = [1, 0.75, 0.5, 0.35, 0.25, 0.15] as const;
/** Where nothing is enough at any rate: so much nearer to the best is worth a lower one. */
const NEARLY = 1.5;
const NEARLY_MORE = 0.02;

function videoCandidates(i: PolicyInput): VideoPolicy[] {
  const all: VideoPolicy[] = [];
  const layered = (i.temporalLayers ?? 1) > 1;
  // Among equals the first is taken: where nothing was lost lately, what is lost next is to be answered all the same.
  const asks = i.rttMs !== undefined && triesWithin(i.budgetMs, i.packetMs, i.rttMs) > 0 ? [1, 0, 2, 3] : [0];
  REPAIR.forEach((ratio, level) => {
    const repair = [REPAIR[level + 1] ?? MOST_REPAIR, ratio, layered ? ratio / 2 : ratio] as const;
    for (const nackCopies of asks as VideoPolicy['nackCopies'][])
      for (const copies of [1, 2] as const)
        for (const twoPaths of i.paths.length > 1 ? [false, true] : [false])
          all.push({
            kind: 'video',
            nackCopies,
            repair: ratio === 0 ? PLAIN_VIDEO.repair : repair,
            copies,
            twoPaths,
          });
  });
  return all;
}

/** Where nothing is lost it costs nothing. */
const isFree = (p: VideoPolicy): boolean => p.repair[1] === 0 && p.copies === 1 && !p.twoPaths;

export function chooseVideo(i: PolicyInput): VideoChoice {
  let nearest: VideoChoice | undefined;
  const clean = isClean(i.paths[0], LEAST_FRAMES * i.packetMs + i.budgetMs);
  const channels = clean ? [] : channelsOf(i.paths, i.packetMs);
  const free = clean ? videoCandidates(i).filter(isFree) : undefined;
  for (const share of SOURCES) {
    const choice = chooseAt(i, channels, free, i.sourceBps * share);
    if (choice?.enough) return choice;
    if (choice && (!nearest || choice.residual * NEARLY + NEARLY_MORE < nearest.residual)) nearest = choice;
  }
  // Nothing fits: what is sent without any protection at least does no harm to itself.
  if (nearest) return nearest;
  const least = i.sourceBps * SOURCES.at(-1)!;
  return judge(i, least, undefined)(price(i, least)(PLAIN_VIDEO));
}

/** Undefined when nothing fits. `free`: nothing was lost, and only these are looked at. */
function chooseAt(
  i: PolicyInput,
  channels: readonly Channel[],
  free: readonly VideoPolicy[] | undefined,
  sourceBps: number,
): VideoChoice | undefined {
  const tries = i.rttMs === undefined ? 0 : triesWithin(i.budgetMs, i.packetMs, i.rttMs);
  const roundTrip = Math.max(1, Math.ceil(((i.rttMs ?? 0) + NACK_MS) / i.packetMs));
  const reach = { budget: tries * roundTrip, roundTrip, recent: Math.floor(RECENT_MS / i.packetMs) };
  const known = channels.length > 0 && channels[0]!.slots - reach.budget >= LEAST_FRAMES;
  const replay = known
    ? new VideoReplay(channels, reach, framePackets(i, sourceBps), tries, i.temporalLayers ?? 1)
    : undefined;
  const standbyBps = i.paths[1]?.availableBps ?? 0;
  const fitting = (free ?? (replay ? videoCandidates(i) : [PLAIN_VIDEO]))
    .map(price(i, sourceBps))
    .filter(c => c.pathBps <= i.availableBps && (!c.policy.twoPaths || c.pathBps <= standbyBps));
  const choices = judged(fitting, judge(i, sourceBps, replay));
  const isBursty = (channels[0]?.share ?? 0) >= BURSTY;
  const tax = (c: VideoChoice): number => (isBursty ? (c.bitrateBps / sourceBps) ** BURST_TAX : 1);
  return choices.length > 0 ? cheapest(choices, i.held, tax) : undefined;
}

const framePackets = (i: PolicyInput, sourceBps: number): number =>
  Math.max(1, Math.ceil((sourceBps * i.packetMs) / 8000 / PACKET_BYTES));

function price(i: PolicyInput, sourceBps: number): (p: VideoPolicy) => Priced<VideoPolicy> {
  const packets = framePackets(i, sourceBps);
  const frameBytes = (sourceBps * i.packetMs) / 8000;
  const packetBytes = frameBytes / packets + OVERHEAD_BYTES;
  const lossNow = shareLost(i);
  const layers = i.temporalLayers ?? 1;
  return policy => {
    const repairs =
      (repairPackets(packets, policy.repair[1]) + repairPackets(packets, policy.repair[layers > 1 ? 2 : 1])) /
      2;
    const once = packets * packetBytes + repairs * (packetBytes + REPAIR_BYTES);
    const lost = lossNow ** (policy.copies * (policy.twoPaths ? 2 : 1));
    // A packet is sent again until it comes: 1 + p + p² … times.
    const again = (packets * lost * policy.nackCopies * packetBytes) / (1 - Math.min(0.8, lossNow));
    const pathBps = ((once * policy.copies + again) * 8000) / i.packetMs;
    const onceBps = (once * policy.copies * 8000) / i.packetMs;
    return { policy, pathBps, bitrateBps: policy.twoPaths ? pathBps + onceBps : pathBps };
  };
}

function judge(
  i: PolicyInput,
  sourceBps: number,
  replay: VideoReplay | undefined,
): (p: Priced<VideoPolicy>) => VideoChoice {
  const hasLoss = shareLost(i) > 0;
  return ({ policy, pathBps, bitrateBps }) => {
    const missing = replay?.missing(policy) ?? NOTHING_KNOWN;
    return {
      policy,
      bitrateBps,
      pathBps,
      residual: worseOf(missing),
      availableBps: i.availableBps,
      delayMs: policy.nackCopies > 0 && hasLoss ? i.budgetMs : 0,
      enough: isEnough(missing, LUCK.video),
      sourceBps,
    };
  };
}

function shareLost(i: PolicyInput): number {
  const lost = i.paths[0]?.lost;
  return lost === undefined || lost.length === 0 ? 0 : lost.reduce((n, l) => n + l, 0) / lost.length;
}
