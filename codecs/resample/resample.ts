import { polyphase } from './filter.ts';

/** Turns a stream of mono PCM from one rate into another. */
export interface Resampler {
  /** Delay of the filter, in input samples. */
  readonly delay: number;
  /** Continues the stream. Borrowed: valid until the next call (with equal rates it is `pcm` itself). */
  process(pcm: Int16Array): Int16Array;
}

/** A stateful resampler; any block length, continuous across blocks. Rates in Hz, whole numbers. */
export function resampler(fromHz: number, toHz: number): Resampler {
  if (fromHz === toHz) return { delay: 0, process: pcm => pcm };
  const { up, down, taps, table } = polyphase(fromHz, toHz);
  const kept = taps - 1;
  let line = new Float64Array(kept + 960); // the samples the filter still needs, then the new block
  let out = new Int16Array(0);
  let at = 0; // where in the new block the next output falls: sample …
  let phase = 0; // … and phase

  return {
    delay: taps / 2,
    process(pcm) {
      const length = pcm.length;
      if (line.length < kept + length) {
        const longer = new Float64Array(kept + length);
        longer.set(line.subarray(0, kept));
        line = longer;
      }
      const most = Math.ceil((length * up) / down) + 1;
      if (out.length < most) out = new Int16Array(most);
      const samples = line;
      for (let i = 0; i < length; i++) samples[kept + i] = pcm[i]!;
      let made = 0;
      while (at < length) {
        out[made++] = clip(dot(samples, at, table, phase * taps, taps));
        phase += down;
        while (phase >= up) {
          phase -= up;
          at++;
        }
      }
      at -= length;
      samples.copyWithin(0, length, length + kept);
      return made === out.length ? out : out.subarray(0, made);
    },
  };
}

/** `taps` is a multiple of 4: four sums side by side keep the processor's multipliers busy. */
function dot(x: Float64Array, at: number, h: Float64Array, from: number, taps: number): number {
  let a = 0;
  let b = 0;
  let c = 0;
  let d = 0;
  for (let k = 0; k < taps; k += 4) {
    a += x[at + k]! * h[from + k]!;
    b += x[at + k + 1]! * h[from + k + 1]!;
    c += x[at + k + 2]! * h[from + k + 2]!;
    d += x[at + k + 3]! * h[from + k + 3]!;
  }
  return a + b + (c + d);
}

function clip(value: number): number {
  const whole = Math.round(value);
  return whole > 32767 ? 32767 : whole < -32768 ? -32768 : whole;
}
