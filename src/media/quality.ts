/**
 * How a call probably sounds: the E-model of ITU-T G.107 (06/2015), reduced to what a gateway can measure. Everything
 * else (levels, echo, room noise) stands at its default, so that R begins at 93.2 (G.107 table 3).
 */
import type { AudioCodec } from '../contract.ts';

export interface Measured {
  readonly codec: AudioCodec;
  /** Share of packets that never came in time, percent. */
  readonly lossPercent: number;
  /** Mean deviation of arrival, ms, as in RTCP (RFC 3550 §6.4.1). */
  readonly jitterMs: number;
  /** One way through the network, ms; half the round trip where only that is known. */
  readonly delayMs: number;
  /** Mean length of a loss burst against that of random loss (G.107 §7.4); 1, the default, is random loss. */
  readonly burstRatio?: number;
  /** Sound per packet, ms; default 20. */
  readonly ptimeMs?: number;
}

export interface Quality {
  /** Mean opinion score, 1 (bad) … 4.5; one decimal means something, more do not. */
  readonly mos: number;
  /** Transmission rating, 0 … 93.2. */
  readonly rating: number;
  /** What costs most, as words for a person: `loss of 3.0 % (1.1 of 4.4 points)`, or `nothing is wrong`. */
  readonly reason: string;
}

/** R of a call with nothing wrong, G.107 table 3. */
const BEST_RATING = 93.2;

interface Robustness {
  /** Equipment impairment without loss (Ie). */
  readonly impairment: number;
  /** Packet-loss robustness (Bpl): the loss, in percent, that costs half of what is left. */
  readonly robustness: number;
  /** Look-ahead of the coder, ms. */
  readonly lookaheadMs: number;
}

/**
 * G.711 with concealment: G.113 Appendix I, table I.4. The others have no values on G.107's narrow-band scale, where a
 * clean wide-band call cannot sound better than perfect: they count as unimpaired, and their robustness is ours, set
 * by the concealment each has here (opus: its own and in-band FEC; G.722, AAC: pitch repetition over longer memories).
 */
const CODECS: Readonly<Record<AudioCodec, Robustness>> = {
  PCMU: { impairment: 0, robustness: 25.1, lookaheadMs: 0 },
  PCMA: { impairment: 0, robustness: 25.1, lookaheadMs: 0 },
  G722: { impairment: 0, robustness: 15, lookaheadMs: 1.5 },
  opus: { impairment: 0, robustness: 30, lookaheadMs: 6.5 },
  AAC: { impairment: 0, robustness: 10, lookaheadMs: 21 },
};

/** G.107 annex B: rating to opinion score. */
function scoreOf(rating: number): number {
  if (rating <= 0) return 1;
  const r = Math.min(100, rating);
  return Math.max(1, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6);
}

/** Id by the straight lines of Cole and Rosenbluth (2001) through G.107 §7.3: gentle, then steep from 177.3 ms on. */
const delayCost = (delayMs: number): number => 0.024 * delayMs + 0.11 * Math.max(0, delayMs - 177.3);

/** Ie,eff of G.107 §7.4. */
const lossCost = ({ impairment, robustness }: Robustness, lossPercent: number, burstRatio: number): number =>
  impairment + (95 - impairment) * (lossPercent / (lossPercent / burstRatio + robustness));

const atLeast = (least: number, value: number): number => (value > least ? value : least); // NaN becomes `least`

/** Estimates the quality of one direction of a call. Pure; nonsense in a field (NaN, below 0) counts as 0. */
export function quality(m: Measured): Quality {
  const codec = CODECS[m.codec];
  const lossPercent = Math.min(100, atLeast(0, m.lossPercent));
  const jitterMs = atLeast(0, m.jitterMs);
  const networkMs = atLeast(0, m.delayMs);
  // What is not the network's: a packet's own length, look-ahead, and a jitter buffer of twice the mean deviation.
  const buildMs = atLeast(0, m.ptimeMs ?? 20) + codec.lookaheadMs;
  const costs = {
    loss: lossCost(codec, lossPercent, atLeast(1, m.burstRatio ?? 1)),
    delay: delayCost(networkMs + buildMs),
    jitter: delayCost(networkMs + buildMs + 2 * jitterMs) - delayCost(networkMs + buildMs),
  };
  const rating = Math.max(0, BEST_RATING - costs.loss - costs.delay - costs.jitter);
  const mos = scoreOf(rating);
  const told = {
    loss: `loss of ${lossPercent.toFixed(1)} %`,
    delay: `a delay of ${Math.round(networkMs + buildMs)} ms`,
    jitter: `jitter of ${Math.round(jitterMs)} ms`,
  };
  const [worst] = (['loss', 'delay', 'jitter'] as const).toSorted((a, b) => costs[b] - costs[a]);
  const spared = scoreOf(Math.min(BEST_RATING, rating + costs[worst!])) - mos;
  const reason =
    spared < 0.1
      ? 'nothing is wrong'
      : `${told[worst!]} (${spared.toFixed(1)} of ${scoreOf(BEST_RATING).toFixed(1)} points)`;
  return { mos, rating, reason };
}
