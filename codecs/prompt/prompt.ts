import { g722Decoder } from '../g722/g722.ts';

/** Of prompts, as files and as PCM. */
export const PROMPT_HZ = 16_000;
const FRAME_BYTES = 160;

/** A prompt file (G.722 at 64 kbit/s, nothing else in it) to mono PCM at 16 kHz. */
export function decodePrompt(file: Uint8Array): Int16Array {
  const decoder = g722Decoder(PROMPT_HZ);
  const pcm = new Int16Array(2 * file.length);
  for (let at = 0; at < file.length; at += FRAME_BYTES)
    pcm.set(decoder.decode(file.subarray(at, at + FRAME_BYTES)), 2 * at);
  decoder.close();
  return pcm;
}
