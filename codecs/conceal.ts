/** How much of the past is kept, ms: two of the longest pitch periods. */
const HISTORY_MS = 32;
/** Pitch of voices: 62–400 Hz. */
const LONGEST_PITCH_MS = 16;
const SHORTEST_PITCH_MS = 2.5;
/** Full loudness for 10 ms, then a straight line to silence at 60 ms, as ITU-T G.711 Appendix I does it. */
const FULL_MS = 10;
const SILENT_MS = 60;
/** The first good sound after a loss is faded in over the last of the concealment. */
const JOIN_MS = 5;

/** Fills losses by repeating the last pitch period: for codecs without a concealment of their own. */
export interface Concealer {
  /** Good sound passes here; its first milliseconds are joined, in place, to a concealment before it. */
  heard(pcm: Int16Array): void;
  /** Sound to fill a gap with. Borrowed: valid until the next call. */
  conceal(samples: number): Int16Array;
}

export function concealer(rateHz: number): Concealer {
  const past = new Int16Array(Math.round((rateHz * HISTORY_MS) / 1000));
  const joinSamples = Math.round((rateHz * JOIN_MS) / 1000);
  let period: Float64Array = new Float64Array(0);
  let lostSamples = 0; // since the last good sound
  let out = new Int16Array(0);

  const remember = (pcm: Int16Array): void => {
    if (pcm.length >= past.length) past.set(pcm.subarray(pcm.length - past.length));
    else {
      past.copyWithin(0, pcm.length);
      past.set(pcm, past.length - pcm.length);
    }
  };
  /** The sample of the concealment that is `lostSamples + i` into the gap. */
  const filled = (i: number): number => {
    const ms = ((lostSamples + i) * 1000) / rateHz;
    const gain = ms <= FULL_MS ? 1 : Math.max(0, 1 - (ms - FULL_MS) / (SILENT_MS - FULL_MS));
    return period[(lostSamples + i) % period.length]! * gain;
  };

  return {
    heard(pcm) {
      if (lostSamples > 0) {
        const join = Math.min(joinSamples, pcm.length);
        for (let i = 0; i < join; i++) {
          const share = (i + 1) / (join + 1);
          pcm[i] = Math.round(pcm[i]! * share + filled(i) * (1 - share));
        }
        lostSamples = 0;
      }
      remember(pcm);
    },
    conceal(samples) {
      if (lostSamples === 0) period = lastPeriod(past, rateHz);
      if (out.length < samples) out = new Int16Array(samples);
      const pcm = out.subarray(0, samples);
      for (let i = 0; i < samples; i++) pcm[i] = Math.round(filled(i));
      lostSamples += samples;
      return pcm;
    },
  };
}

/** One pitch period from the end of `past`, its end blended into what came before it so that it repeats smoothly. */
function lastPeriod(past: Int16Array, rateHz: number): Float64Array {
  const length = pitch(past, rateHz);
  const start = past.length - length;
  const period = Float64Array.from(past.subarray(start));
  const blend = length >> 2;
  for (let i = 0; i < blend; i++) {
    const share = (i + 1) / (blend + 1);
    const at = length - blend + i;
    period[at] = period[at]! * (1 - share) + past[start - blend + i]! * share;
  }
  return period;
}

/** The lag, in samples, at which the end of `past` is most like itself. Looks at every `step`-th sample (8 kHz). */
function pitch(past: Int16Array, rateHz: number): number {
  const step = Math.max(1, Math.floor(rateHz / 8000));
  const longest = Math.floor((rateHz * LONGEST_PITCH_MS) / 1000);
  const shortest = Math.ceil((rateHz * SHORTEST_PITCH_MS) / 1000);
  const window = past.length - longest;
  const likeness = (lag: number): number => {
    let cross = 0;
    let energy = 1;
    for (let i = past.length - window; i < past.length; i += step) {
      cross += past[i]! * past[i - lag]!;
      energy += past[i - lag]! ** 2;
    }
    return cross / Math.sqrt(energy);
  };
  let best = longest;
  let most = 0;
  const consider = (lag: number): void => {
    const value = likeness(lag);
    if (value > most) {
      most = value;
      best = lag;
    }
  };
  for (let lag = shortest; lag <= longest; lag += step) consider(lag);
  if (step > 1) {
    const coarse = best;
    for (let lag = Math.max(shortest, coarse - step + 1); lag < coarse + step && lag <= longest; lag++)
      consider(lag);
  }
  return best;
}
