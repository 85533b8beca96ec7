import { describe, expect, it, vi } from 'vitest';
import { loadCodecs, missingFor, openDecoder, openEncoder } from './audio.ts';

vi.mock('node-av/lib', () => {
  throw new Error('Could not load the node-av native binding');
});

describe('without node-av', () => {
  it('has everything but AAC, and says what to do about that', async () => {
    await loadCodecs();
    const aac = { codec: 'AAC', clockRate: 48000 } as const;
    await expect(openDecoder(aac, 48000)).rejects.toMatchObject({
      why: { blame: 'server', reason: 'codec-missing', text: expect.stringMatching(/node-av.*npm install/) },
    });
    await expect(openEncoder(aac, 48000)).rejects.toMatchObject({ why: { reason: 'codec-missing' } });
    expect(missingFor(aac)).toMatch(/node-av/);
    for (const codec of ['opus', 'PCMU', 'PCMA', 'G722'] as const) {
      const format = { codec, clockRate: codec === 'opus' ? 48000 : 8000 };
      expect(missingFor(format)).toBeUndefined();
      (await openDecoder(format, 16000)).close();
      (await openEncoder(format, 16000)).close();
    }
  });
});
