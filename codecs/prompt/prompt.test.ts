import { readdirSync, readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodePrompt, PROMPT_HZ } from './prompt.ts';

const folder = new URL('../../prompts/', import.meta.url);
const files = ['en', 'zh'].map(language => readdirSync(new URL(language, folder)).toSorted());

describe('prompts', () => {
  it('are the same in both languages', () => expect(files[0]).toEqual(files[1]));
  it.each(['en', 'zh'].flatMap(language => (files[0] as string[]).map(file => `${language}/${file}`)))(
    '%s is a few seconds of speech, without silence around it',
    path => {
      const file = new URL(path, folder);
      expect(statSync(file).size).toBeLessThan(150_000);
      const pcm = decodePrompt(readFileSync(file));
      const seconds = pcm.length / PROMPT_HZ;
      expect(seconds).toBeGreaterThan(1);
      expect(seconds).toBeLessThan(7);
      const loudest = pcm.reduce((most, s) => Math.max(most, Math.abs(s)), 0);
      expect(loudest).toBeGreaterThan(12_000);
      const quarter = PROMPT_HZ / 4;
      for (const edge of [pcm.subarray(0, quarter), pcm.subarray(-quarter)])
        expect(edge.some(s => Math.abs(s) > 500)).toBe(true);
    },
  );
});
