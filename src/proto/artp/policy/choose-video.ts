import { PLAIN_VIDEO, type VideoPolicy } from '../media/policy-types.ts';
import { NACK_MS, NOTHING_KNOWN } from './audio-replay.ts';
import { channelsOf } from './channel.ts';
import {
  cheapest,
  isEnough,
  LUCK,
  type PolicyInput,
  RECENT_MS,
  taxOf,
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
/** Of the source's rate; below it a picture is not worth its packets. */
const SOURCES = [1, 0.75, 0.5, 0.35, 0.25, 0.15] as const;
/** Where nothing is enough at any rate: so much nearer to the best is worth a lower one. */
const NEARLY = 1.5;
const NEARLY_MORE = 0.02;

function videoCandidates(i: PolicyInput): VideoPolicy[] {
  const all: VideoPolicy[] = [];
  const layered = (i.temporalLayers ?? 1) > 1;
  const asks = i.rttMs !== undefined && triesWithin(i.budgetMs, i.packetMs, i.rttMs) > 0 ? [0, 1, 2, 3] : [0];
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

export function chooseVideo(i: PolicyInput): VideoChoice {
  let nearest: VideoChoice | undefined;
  for (const share of SOURCES) {
    const choice = chooseAt(i, i.sourceBps * share);
    if (choice?.enough) return choice;
    if (choice && (!nearest || choice.residual * NEARLY + NEARLY_MORE < nearest.residual)) nearest = choice;
  }
  // Nothing fits: what is sent without any protection at least does no harm to itself.
  return nearest ?? judge(i, i.sourceBps * SOURCES.at(-1)!, undefined)(PLAIN_VIDEO);
}

/** Undefined when nothing fits. */
function chooseAt(i: PolicyInput, sourceBps: number): VideoChoice | undefined {
  const tries = i.rttMs === undefined ? 0 : triesWithin(i.budgetMs, i.packetMs, i.rttMs);
  const roundTrip = Math.max(1, Math.ceil(((i.rttMs ?? 0) + NACK_MS) / i.packetMs));
  const channels = channelsOf(i.paths, i.packetMs);
  const reach = { budget: tries * roundTrip, roundTrip, recent: Math.floor(RECENT_MS / i.packetMs) };
  const known = channels.length > 0 && channels[0]!.slots - reach.budget >= LEAST_FRAMES;
  const replay = known
    ? new VideoReplay(channels, reach, framePackets(i, sourceBps), tries, i.temporalLayers ?? 1)
    : undefined;
  const standbyBps = i.paths[1]?.availableBps ?? 0;
  const choices = (replay ? videoCandidates(i) : [PLAIN_VIDEO])
    .map(judge(i, sourceBps, replay))
    .filter(c => c.pathBps <= i.availableBps && (!c.policy.twoPaths || c.pathBps <= standbyBps));
  return choices.length > 0
    ? cheapest(choices, i.held, c => taxOf(c.bitrateBps / sourceBps, channels[0]?.share ?? 0))
    : undefined;
}

const framePackets = (i: PolicyInput, sourceBps: number): number =>
  Math.max(1, Math.ceil((sourceBps * i.packetMs) / 8000 / PACKET_BYTES));

function judge(
  i: PolicyInput,
  sourceBps: number,
  replay: VideoReplay | undefined,
): (p: VideoPolicy) => VideoChoice {
  const packets = framePackets(i, sourceBps);
  const frameBytes = (sourceBps * i.packetMs) / 8000;
  const packetBytes = frameBytes / packets + OVERHEAD_BYTES;
  const lossNow = shareLost(i);
  const layers = i.temporalLayers ?? 1;
  return policy => {
    const { all, recent, slots } = replay?.missing(policy) ?? NOTHING_KNOWN;
    const repairs =
      (repairPackets(packets, policy.repair[1]) + repairPackets(packets, policy.repair[layers > 1 ? 2 : 1])) /
      2;
    const once = packets * packetBytes + repairs * (packetBytes + REPAIR_BYTES);
    const lost = lossNow ** (policy.copies * (policy.twoPaths ? 2 : 1));
    // A packet is sent again until it comes: 1 + p + p² … times.
    const again = (packets * lost * policy.nackCopies * packetBytes) / (1 - Math.min(0.8, lossNow));
    const pathBps = ((once * policy.copies + again) * 8000) / i.packetMs;
    const onceBps = (once * policy.copies * 8000) / i.packetMs;
    const waits = policy.nackCopies > 0 && lossNow > 0;
    return {
      policy,
      residual: worseOf(all, recent),
      bitrateBps: policy.twoPaths ? pathBps + onceBps : pathBps,
      pathBps,
      availableBps: i.availableBps,
      delayMs: waits ? i.budgetMs : 0,
      enough: isEnough(all, recent, slots, LUCK.video),
      sourceBps,
    };
  };
}

function shareLost(i: PolicyInput): number {
  const lost = i.paths[0]?.lost;
  return lost === undefined || lost.length === 0 ? 0 : lost.reduce((n, l) => n + l, 0) / lost.length;
}
