import type { Feedback } from '../../../contract.ts';
import { type Millis, NEVER } from '../../../kit/core.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';
import { feedbackPart } from './feedback.ts';
import { KEPT_MS } from './history.ts';
import type { InFlow, InTrackStage } from './in-track.ts';
import { KIND, ssrcOf } from './ssrc.ts';
import type { PlaneOptions } from './types.ts';

/** A round trip nobody has measured yet, ms. */
const UNKNOWN_RTT_MS = 100;
/** Playout delay that redundancy may cost, ms. */
const DEFAULT_BUDGET_MS = 100;
/** One RTCP packet is no longer than this, bytes, whatever is asked for; nor has it more parts than a reader takes. */
const MAX_BYTES = 1100;
const MAX_PARTS = 24;
/** Of one part: header and SSRCs, or a whole request; each sequence number at most so much (RFC 4585 §6.2.1). */
const PART_BYTES = 24;
const SEQ_BYTES = 4;
const MAX_SEQS = 128;

/** Asks the other side: for lost packets (NACK, RFC 4585 §6.2.1), and what a track's source is to be told. */
export class Asker {
  readonly #options: PlaneOptions;
  rttMs = UNKNOWN_RTT_MS;
  readonly #gaps = new Set<InFlow>();
  readonly #requests = new Set<InTrackStage>();
  #deadline: Millis = NEVER;
  readonly #seqs: number[] = [];
  readonly #feedback: Feedback[] = [];

  constructor(options: PlaneOptions) {
    this.#options = options;
  }

  get deadline(): Millis {
    return this.#deadline;
  }

  /** A flow with gaps has received something. */
  watch(flow: InFlow): void {
    const deadline = flow.gaps?.deadline ?? NEVER;
    if (deadline === NEVER) return;
    this.#gaps.add(flow);
    if (deadline < this.#deadline) this.#deadline = deadline;
  }

  /** The track has something to say. */
  request(track: InTrackStage, now: Millis): void {
    this.#requests.add(track);
    this.#deadline = Math.min(this.#deadline, now);
  }

  /** The track has a flow, which can be named. */
  bound(track: InTrackStage, now: Millis): void {
    if (this.#requests.has(track)) this.#deadline = Math.min(this.#deadline, now);
  }

  forget(flow: InFlow): void {
    this.#gaps.delete(flow);
  }
  close(track: InTrackStage): void {
    this.#requests.delete(track);
  }

  tick(now: Millis): void {
    if (now < this.#deadline) return;
    const { keys } = this.#options;
    const sender = ssrcOf(keys.sendEpoch, KIND.rtcp, 0);
    let parts: Rtcp[] = [];
    let bytes = 0;
    const say = (part: Rtcp): void => {
      const more = PART_BYTES + (part.type === 'nack' ? part.lost.length * SEQ_BYTES : 0);
      if (parts.length === MAX_PARTS || bytes + more > MAX_BYTES) {
        this.#options.feedback(parts, now);
        parts = [];
        bytes = 0;
      }
      parts.push(part);
      bytes += more;
    };
    this.#deadline = NEVER;
    for (const flow of this.#gaps) this.#nack(flow, sender, say, now);
    for (const track of this.#requests) this.#request(track, sender, say, now);
    if (parts.length > 0) this.#options.feedback(parts, now);
  }

  #nack(flow: InFlow, sender: number, say: (part: Rtcp) => void, now: Millis): void {
    const { gaps, track } = flow;
    if (gaps === undefined || track === undefined) return void this.#gaps.delete(flow);
    const seqs = this.#seqs;
    seqs.length = 0;
    const { budgetMs = DEFAULT_BUDGET_MS } = this.#options;
    gaps.due(now, this.rttMs, track.kind === 'audio' ? budgetMs : KEPT_MS, seqs);
    for (let at = 0; at < seqs.length; at += MAX_SEQS)
      say({ type: 'nack', sender, media: flow.ssrc, lost: seqs.slice(at, at + MAX_SEQS) });
    if (gaps.deadline === NEVER) this.#gaps.delete(flow);
    else this.#deadline = Math.min(this.#deadline, gaps.deadline);
  }

  #request(track: InTrackStage, sender: number, say: (part: Rtcp) => void, now: Millis): void {
    const { ssrc, requests } = track;
    if (ssrc === undefined) return; // said when it has a flow
    this.#feedback.length = 0;
    requests.due(now, this.rttMs, this.#feedback);
    for (const f of this.#feedback) say(feedbackPart(f, sender, ssrc));
    if (requests.deadline === NEVER) this.#requests.delete(track);
    else this.#deadline = Math.min(this.#deadline, requests.deadline);
  }
}
