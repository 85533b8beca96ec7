import type { AudioPolicy, VideoPolicy } from '../media/policy-types.ts';
import { RED_PATTERNS } from '../media/red-patterns.ts';
import type { Reach } from './audio-replay.ts';
import type { Channel } from './channel.ts';

/**
 * The same questions as the replays answer, packet by packet: what is sent is put on a list, what is lost is struck out,
 * what a receiver could play is looked up. Slow and obviously right.
 */
export function simulateAudio(
  p: AudioPolicy,
  channels: readonly Channel[],
  reach: Reach,
): { all: number; recent: number } {
  const { slots } = channels[0]!;
  const end = slots - reach.budget;
  /** Which frames came, and in which slot first. */
  const cameAt = new Map<number, number>();
  const primaryCame = new Set<number>();
  const came = (frame: number, slot: number): void => {
    if (slot < (cameAt.get(frame) ?? Number.POSITIVE_INFINITY)) cameAt.set(frame, slot);
  };
  for (let slot = 0; slot < slots; slot++)
    for (const channel of p.twoPaths ? channels : channels.slice(0, 1))
      for (let copy = 0; copy < p.copies; copy++) {
        if (channel.lost(slot, copy)) continue;
        primaryCame.add(slot);
        came(slot, slot);
        for (const distance of RED_PATTERNS[p.pattern]!) if (slot >= distance) came(slot - distance, slot);
      }
  if (p.nack)
    for (let frame = 0; frame < end; frame++) {
      if (primaryCame.has(frame)) continue;
      let noticed = frame + 1;
      while (noticed < slots && !primaryCame.has(noticed)) noticed++;
      for (let asked = noticed; asked + reach.roundTrip <= frame + reach.budget; asked += reach.roundTrip) {
        const requestLost = asked < slots && channels[0]!.lost((asked + (slots >> 1)) % slots, 0);
        const answered = asked + reach.roundTrip;
        const answerLost = answered < slots && channels[0]!.lost(answered, p.copies);
        if (!requestLost && !answerLost) came(frame, answered);
      }
    }
  const missingOf = (frame: number): number =>
    (cameAt.get(frame) ?? Number.POSITIVE_INFINITY) - frame <= reach.budget ? 0 : 1;
  const share = (from: number): number => {
    let missing = 0;
    for (let frame = from; frame < end; frame++) missing += missingOf(frame);
    return missing / Math.max(1, end - from);
  };
  return { all: share(0), recent: share(Math.max(0, end - reach.recent)) };
}

export interface Picture {
  readonly packets: number;
  /** With the most repair: where the numbers of second copies begin. */
  readonly most: number;
  readonly tries: number;
  readonly layers: number;
}

export function simulateVideo(
  p: VideoPolicy,
  channels: readonly Channel[],
  reach: Reach,
  picture: Picture,
): { all: number; recent: number } {
  const { slots } = channels[0]!;
  const end = slots - reach.budget;
  const shown: boolean[] = [];
  for (let slot = 0; slot < end; slot++) {
    const above = picture.layers > 1 && slot % 2 === 1;
    const repair = Math.ceil(picture.packets * p.repair[above ? 2 : 1]);
    const came = new Set<number>();
    for (let packet = 0; packet < picture.packets + repair; packet++)
      for (const channel of p.twoPaths ? channels : channels.slice(0, 1))
        for (let copy = 0; copy < p.copies; copy++)
          if (!channel.lost(slot, copy * picture.most + packet)) came.add(packet);
    const lostSources: number[] = [];
    for (let packet = 0; packet < picture.packets; packet++) if (!came.has(packet)) lostSources.push(packet);
    let have = came.size;
    for (let attempt = 1; attempt <= picture.tries && p.nackCopies > 0 && have < picture.packets; attempt++) {
      const asked = (slot + (slots >> 1) + (attempt - 1) * reach.roundTrip) % slots;
      if (channels[0]!.lost(asked, 0)) continue;
      const at = slot + attempt * reach.roundTrip;
      for (let n = lostSources.length; n > 0; n--) {
        const copies = Array.from(
          { length: p.nackCopies },
          (_, c) => 2 * picture.most + n * p.nackCopies + c,
        );
        if (copies.every(c => channels[0]!.lost(at, c))) continue;
        lostSources.pop();
        have++;
      }
    }
    const complete = have >= picture.packets;
    shown.push(complete && (!above || slot === 0 || baseOf(shown, slot)));
  }
  const missing = (from: number): number =>
    shown.slice(from).filter(s => !s).length / Math.max(1, end - from);
  return { all: missing(0), recent: missing(Math.max(0, end - reach.recent)) };
}

/** What the frame above layer 0 refers to is the frame before it. */
const baseOf = (shown: readonly boolean[], slot: number): boolean => shown[slot - 1]!;
