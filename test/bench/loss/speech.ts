import { execFileSync } from 'node:child_process';
import { openDecoder, openEncoder, openLevelMeter } from '../../../codecs/audio.ts';
import { resampler } from '../../../codecs/resample/resample.ts';

/** What is measured is speech, said anew by espeak-ng (a Debian package) in every run; two voices take turns. */
const SENTENCES: readonly (readonly [voice: string, text: string])[] = [
  ['en-gb', 'Good morning, everybody. Can you hear me well on this line, or shall I call again?'],
  ['en-us+f3', 'We can hear you. Please tell us about the tests of last Thursday, and take your time.'],
  [
    'en-gb',
    'Six ships sailed south past the lighthouse, while the harbour master counted every box of fish.',
  ],
  [
    'en-us+f3',
    'The first figure is good, the second one is better, and the third shows where the packets went.',
  ],
  ['en-gb', 'Thank you very much. If nobody has a question, then we meet here again at half past eight.'],
];
const RATE_HZ = 48_000;
export const FRAME_MS = 20;
export const FRAME_TICKS = (RATE_HZ * FRAME_MS) / 1000;
const FRAME_SAMPLES = FRAME_TICKS;
const OPUS = { codec: 'opus', clockRate: RATE_HZ, channels: 2 } as const;

export interface Speech {
  /** Opus packets of 20 ms. */
  readonly frames: readonly Uint8Array[];
  /** RFC 6464 levels of each. */
  readonly levels: readonly number[];
  /** Of the Opus packets alone. */
  readonly bps: number;
}

/** 24 kbit/s Opus with our own encoder, some 25 s. Throws when espeak-ng is not installed. */
export async function speech(bitrateBps = 24_000): Promise<Speech> {
  const encoder = await openEncoder(OPUS, RATE_HZ, { ptimeMs: FRAME_MS, bitrateBps });
  const frames: Uint8Array[] = [];
  for (const [voice, text] of SENTENCES) {
    const { rateHz, pcm } = say(voice, text);
    encoder.encode(resampler(rateHz, RATE_HZ).process(pcm), payload => frames.push(payload.slice()));
  }
  encoder.close();
  const meter = await openLevelMeter(OPUS);
  const levels = frames.map(f => meter.level(f));
  meter.close();
  const bytes = frames.reduce((sum, f) => sum + f.length, 0);
  return { frames, levels, bps: (bytes * 8000) / (frames.length * FRAME_MS) };
}

/** espeak-ng's WAV: 16 bit, mono. */
function say(voice: string, text: string): { rateHz: number; pcm: Int16Array } {
  const wav = execFileSync('espeak-ng', ['-v', voice, '-s', '160', '--stdout', text], {
    maxBuffer: 16 * 1024 * 1024,
  });
  const data = wav.indexOf('data', 12, 'latin1');
  if (wav.toString('latin1', 0, 4) !== 'RIFF' || data < 0) throw new Error('espeak-ng wrote no WAV');
  const bytes = wav.subarray(data + 8);
  const pcm = new Int16Array(bytes.length >> 1);
  for (let i = 0; i < pcm.length; i++) pcm[i] = bytes.readInt16LE(i * 2);
  return { rateHz: wav.readUInt32LE(24), pcm };
}

/** What a listener hears of `frames`, holes (undefined) hidden as an ear of ours hides them: in-band FEC, else concealed. */
export async function heard(frames: readonly (Uint8Array | undefined)[]): Promise<Int16Array> {
  const decoder = await openDecoder(OPUS, RATE_HZ);
  const pcm = new Int16Array(frames.length * FRAME_SAMPLES);
  frames.forEach((frame, i) => {
    const next = frames[i + 1];
    const part =
      frame !== undefined
        ? decoder.decode(frame)
        : next !== undefined
          ? decoder.recover(next, FRAME_SAMPLES)
          : decoder.conceal(FRAME_SAMPLES);
    pcm.set(part.subarray(0, FRAME_SAMPLES), i * FRAME_SAMPLES);
  });
  decoder.close();
  return pcm;
}
