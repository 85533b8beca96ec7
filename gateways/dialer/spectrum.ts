/** Levels in dBFS of a sine's peak, so that a tone sent at −20 dBFS reads −20. Never below `FLOOR_DB`. */
const FLOOR_DB = -120;
/** Where phones hear. */
const LOWEST_HZ = 100;
const HIGHEST_HZ = 3800;

const dbOf = (amplitude: number): number => Math.max(FLOOR_DB, 20 * Math.log10(amplitude + 1e-12));

/** Everything in `pcm`, on the scale of a sine: 3 dB over its RMS. */
export function levelDb(pcm: Int16Array): number {
  let sum = 0;
  for (let i = 0; i < pcm.length; i++) sum += (pcm[i] as number) ** 2;
  return dbOf(Math.sqrt((2 * sum) / Math.max(1, pcm.length)) / 32768);
}

/** The part of `pcm` that is `hz`: Goertzel's filter in a Hann window. */
export function toneDb(pcm: Int16Array, hz: number, rateHz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / rateHz);
  const window = hann(pcm.length);
  let last = 0;
  let before = 0;
  for (let i = 0; i < pcm.length; i++) {
    const next = (pcm[i] as number) * (window[i] as number) + coefficient * last - before;
    before = last;
    last = next;
  }
  const power = Math.max(0, last * last + before * before - coefficient * last * before);
  return dbOf((4 * Math.sqrt(power)) / pcm.length / 32768); // Hann halves the amplitude, a sine has two sides
}

/** The loudest pitch, whole Hz: in steps a tone cannot hide between, then to the Hz. */
export function strongestHz(pcm: Int16Array, rateHz: number): number {
  const stepHz = Math.max(1, Math.round(rateHz / pcm.length)); // a Hann window's tone is four of these wide
  const best = loudest(pcm, rateHz, LOWEST_HZ, HIGHEST_HZ, stepHz);
  return loudest(pcm, rateHz, best - stepHz, best + stepHz, 1);
}

function loudest(pcm: Int16Array, rateHz: number, fromHz: number, toHz: number, stepHz: number): number {
  let best = fromHz;
  let bestDb = Number.NEGATIVE_INFINITY;
  for (let hz = fromHz; hz <= toHz; hz += stepHz) {
    const db = toneDb(pcm, hz, rateHz);
    if (db > bestDb) [best, bestDb] = [hz, db];
  }
  return best;
}

let made = new Float64Array(0);
function hann(length: number): Float64Array {
  if (made.length !== length)
    made = Float64Array.from({ length }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / length));
  return made;
}
