import type { VideoPolicy } from '../media/policy-types.ts';
import { type Missing, NACK_MS, type Reach } from './audio-replay.ts';
import type { Channel } from './channel.ts';

/** Repair packets for each source packet, at most. */
export const MOST_REPAIR = 1.5;

export const repairPackets = (packets: number, ratio: number): number => Math.ceil(packets * ratio);

/** How often a packet can be asked for before it is too late: a loss is noticed when the next frame comes. */
export const triesWithin = (budgetMs: number, frameMs: number, rttMs: number): number =>
  Math.max(0, Math.floor((budgetMs - frameMs) / (rttMs + NACK_MS)));

/**
 * Plays video policies over the channels, a frame each slot. A frame is complete when as many of its source and repair
 * packets came as it has source packets (any will do: the code is Reed–Solomon), or when what is missing came in time
 * after being asked for. Key frames are rare and better protected than what is played here.
 */
export class VideoReplay {
  readonly #channels: readonly Channel[];
  readonly #reach: Reach;
  readonly #slots: number;
  readonly #packets: number;
  readonly #tries: number;
  readonly #layers: number;
  /** Packets of a frame with the most repair. */
  readonly #most: number;
  /** By copies and paths: for each slot, how many of its first 0, 1, 2 … packets came. */
  readonly #came = new Map<number, Uint16Array>();

  /** `packets`: of a frame. `reach.budget`: slots until the last retransmission. */
  constructor(channels: readonly Channel[], reach: Reach, packets: number, tries: number, layers: number) {
    this.#channels = channels;
    this.#reach = reach;
    this.#slots = channels[0]!.slots;
    this.#packets = packets;
    this.#tries = tries;
    this.#layers = layers;
    this.#most = packets + repairPackets(packets, MOST_REPAIR);
  }

  missing(p: VideoPolicy): Missing {
    const came = this.#cameWith(p);
    const end = this.#slots - this.#reach.budget;
    const recentFrom = Math.max(0, end - this.#reach.recent);
    let all = 0;
    let recent = 0;
    let hasBase = true;
    for (let slot = 0; slot < end; slot++) {
      const above = this.#layers > 1 && slot % 2 === 1;
      const repair = repairPackets(this.#packets, p.repair[above ? 2 : 1]);
      const complete = this.#complete(p, came, slot, repair);
      // What is above refers to layer 0, and shows nothing without it.
      if (!above) hasBase = complete;
      if (complete && hasBase) continue;
      all++;
      if (slot >= recentFrom) recent++;
    }
    return { all: all / Math.max(1, end), recent: recent / Math.max(1, end - recentFrom), slots: end };
  }

  #complete(p: VideoPolicy, came: Uint16Array, slot: number, repair: number): boolean {
    const row = slot * (this.#most + 1);
    let missing = this.#packets - came[row + this.#packets + repair]!;
    if (missing <= 0) return true;
    if (p.nackCopies === 0) return false;
    const channel = this.#channels[0]!;
    const half = this.#slots >> 1;
    let wanted = this.#packets - came[row + this.#packets]!;
    for (let attempt = 1; attempt <= this.#tries; attempt++) {
      const at = slot + attempt * this.#reach.roundTrip;
      if (channel.lost((slot + half + (attempt - 1) * this.#reach.roundTrip) % this.#slots, 0)) continue;
      for (let n = wanted; n > 0; n--) {
        if (this.#allLost(channel, at, 2 * this.#most + n * p.nackCopies, p.nackCopies)) continue;
        wanted--;
        missing--;
      }
      if (missing <= 0) return true;
    }
    return false;
  }

  #allLost(channel: Channel, slot: number, from: number, copies: number): boolean {
    for (let c = 0; c < copies; c++) if (!channel.lost(slot, from + c)) return false;
    return true;
  }

  #cameWith({ copies, twoPaths }: VideoPolicy): Uint16Array {
    const key = copies * 2 + (twoPaths ? 1 : 0);
    const known = this.#came.get(key);
    if (known) return known;
    const channels = twoPaths ? this.#channels : this.#channels.slice(0, 1);
    const came = new Uint16Array(this.#slots * (this.#most + 1));
    for (let slot = 0; slot < this.#slots; slot++)
      for (let i = 0, row = slot * (this.#most + 1); i < this.#most; i++) {
        let got = false;
        for (const channel of channels)
          for (let c = 0; c < copies && !got; c++) got = !channel.lost(slot, c * this.#most + i);
        came[row + i + 1] = came[row + i]! + (got ? 1 : 0);
      }
    this.#came.set(key, came);
    return came;
  }
}
