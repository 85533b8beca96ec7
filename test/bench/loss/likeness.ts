/**
 * How far a decoded sound is from the same one without loss: the log-spectral distance, dB, mean over the windows in
 * which somebody speaks. 0: the same. It hears holes, clicks and wrong timbre; it is no listening score (PESQ, MOS).
 */
export function logSpectralDistanceDb(clean: Int16Array, got: Int16Array): number {
  let sum = 0;
  let windows = 0;
  for (let at = 0; at + WINDOW <= Math.min(clean.length, got.length); at += WINDOW) {
    if (powerDb(clean, at) < SPEECH_DB) continue;
    const [a, b] = [spectrumDb(clean, at), spectrumDb(got, at)];
    let squares = 0;
    for (let bin = 0; bin < BINS; bin++) squares += (a[bin]! - b[bin]!) ** 2;
    sum += Math.sqrt(squares / BINS);
    windows++;
  }
  return windows === 0 ? 0 : sum / windows;
}

/** 21 ms at 48 kHz. */
const WINDOW = 1024;
/** Up to 8 kHz: what 24 kbit/s Opus carries of a voice. */
const BINS = Math.floor((8000 / 48_000) * WINDOW);
/** Of full scale; below it is a pause. */
const SPEECH_DB = -50;
/** Below this both are silent, and no difference is heard. */
const FLOOR_DB = -70;

function powerDb(pcm: Int16Array, at: number): number {
  let sum = 0;
  for (let i = at; i < at + WINDOW; i++) sum += (pcm[i]! / 32_768) ** 2;
  return 10 * Math.log10(sum / WINDOW + 1e-12);
}

const HANN = Float64Array.from(
  { length: WINDOW },
  (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW),
);

function spectrumDb(pcm: Int16Array, at: number): Float64Array {
  const re = Float64Array.from(HANN, (h, i) => (h * pcm[at + i]!) / 32_768);
  const im = new Float64Array(WINDOW);
  fourier(re, im);
  return Float64Array.from({ length: BINS }, (_, bin) =>
    Math.max(FLOOR_DB, 10 * Math.log10((re[bin]! ** 2 + im[bin]! ** 2) / WINDOW + 1e-12)),
  );
}

/** In place, a power of two long: bits reversed, then butterflies (Cooley and Tukey, 1965). */
function fourier(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j]] = [re[j]!, re[i]!];
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const [c, s] = [Math.cos((2 * Math.PI * k) / size), -Math.sin((2 * Math.PI * k) / size)];
      for (let i = k; i < n; i += size) {
        const j = i + half;
        const [x, y] = [re[j]! * c - im[j]! * s, re[j]! * s + im[j]! * c];
        [re[j], im[j]] = [re[i]! - x, im[i]! - y];
        [re[i], im[i]] = [re[i]! + x, im[i]! + y];
      }
    }
  }
}
