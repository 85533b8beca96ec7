/**
 * `npx tsx scripts/prompts.ts`: speaks every prompt with espeak-ng and writes `prompts/<language>/<name>.g722`. The
 * files are kept in the repository; run it again after a text has changed. Texts are ours.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { openEncoder } from '../codecs/audio.ts';
import { PROMPT_HZ } from '../codecs/prompt/prompt.ts';
import { resampler } from '../codecs/resample/resample.ts';
import { encodeAll } from '../codecs/testing/sound.ts';
import type { PromptLanguage, PromptName } from '../src/io/prompts.ts';

const VOICES: Readonly<Record<PromptLanguage, { readonly voice: string; readonly wordsPerMinute: number }>> =
  {
    en: { voice: 'en-gb', wordsPerMinute: 150 },
    zh: { voice: 'cmn', wordsPerMinute: 200 },
  };

const TEXTS: Readonly<Record<PromptName, Readonly<Record<PromptLanguage, string>>>> = {
  'demo-phone': {
    en: 'Hello, I am a desk phone. I have called this room by SIP.',
    zh: '你好,我是一部桌面电话,我打进了这个会议室。',
  },
  'pin-please': {
    en: 'Please enter the PIN, then press hash.',
    zh: '请输入密码,按井号键结束。',
  },
  'pin-wrong': {
    en: 'The PIN is wrong. Please try again.',
    zh: '密码错误,请重新输入。',
  },
  'pin-too-many': {
    en: 'The PIN was wrong too often. Goodbye.',
    zh: '密码错误次数太多,再见。',
  },
  'room-locked': {
    en: 'The room is locked. Goodbye.',
    zh: '会议室已锁定,再见。',
  },
  'room-full': {
    en: 'The room is full. Please call again later.',
    zh: '会议室已满,请稍后再拨。',
  },
  welcome: {
    en: 'You are in the room.',
    zh: '您已进入会议室。',
  },
};

/** Peak of what is written: as loud as people speak. */
const PEAK = 32767 * 10 ** (-6 / 20);
/** Quieter than this at either end is cut off; a breath is left. */
const SILENCE = 200;
const BREATH_S = 0.12;

for (const [name, texts] of Object.entries(TEXTS))
  for (const [language, text] of Object.entries(texts)) {
    const pcm = shaped(spoken(language as PromptLanguage, text));
    const encoder = await openEncoder({ codec: 'G722', clockRate: 8000 }, PROMPT_HZ);
    const bytes = Buffer.concat(encodeAll(encoder, pcm));
    const folder = new URL(`../prompts/${language}/`, import.meta.url);
    mkdirSync(folder, { recursive: true });
    writeFileSync(new URL(`${name}.g722`, folder), bytes);
    console.log(`${language}/${name}.g722  ${(bytes.length / 8000).toFixed(1)} s  ${bytes.length} bytes`);
  }

/** espeak-ng's WAV, 16 bit mono, at the rate of prompts. */
function spoken(language: PromptLanguage, text: string): Int16Array {
  const { voice, wordsPerMinute } = VOICES[language];
  const wav = execFileSync('espeak-ng', ['-v', voice, '-s', `${wordsPerMinute}`, '--stdout', text]);
  const data = wav.indexOf('data', 12, 'latin1');
  if (wav.toString('latin1', 0, 4) !== 'RIFF' || data < 0) throw new Error('espeak-ng wrote no WAV.');
  const pcm = new Int16Array(Uint8Array.from(wav.subarray(data + 8, wav.length - (wav.length % 2))).buffer);
  return resampler(wav.readUInt32LE(24), PROMPT_HZ).process(pcm).slice();
}

/** Cut, made as loud as all others, and filled to whole frames of 20 ms. */
function shaped(pcm: Int16Array): Int16Array {
  const loud = (s: number): boolean => Math.abs(s) > SILENCE;
  const breath = Math.round(BREATH_S * PROMPT_HZ);
  const from = Math.max(0, pcm.findIndex(loud) - breath);
  const to = Math.min(pcm.length, pcm.findLastIndex(loud) + breath);
  const cut = pcm.subarray(from, to);
  const gain = PEAK / cut.reduce((most, s) => Math.max(most, Math.abs(s)), 1);
  const frame = PROMPT_HZ / 50;
  const out = new Int16Array(Math.ceil(cut.length / frame) * frame);
  cut.forEach((s, i) => {
    out[i] = Math.round(s * gain);
  });
  return out;
}
