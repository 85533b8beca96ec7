import { readFile } from 'node:fs/promises';

/** What prompts there are; their words stand in `scripts/prompts.ts`. */
export type PromptName =
  | 'demo-phone'
  | 'room-locked'
  | 'room-full'
  | 'pin-please'
  | 'pin-wrong'
  | 'pin-too-many'
  | 'welcome';
export type PromptLanguage = 'en' | 'zh';

const FOLDER = new URL('../../prompts/', import.meta.url);
const read = new Map<string, Promise<Uint8Array>>();

/** The bytes of a prompt, read once; `decodePrompt` of `codecs/prompt` makes PCM of them. */
export function readPrompt(language: PromptLanguage, name: PromptName): Promise<Uint8Array> {
  const path = `${language}/${name}.g722`;
  let file = read.get(path);
  if (file === undefined) read.set(path, (file = readFile(new URL(path, FOLDER))));
  return file;
}
