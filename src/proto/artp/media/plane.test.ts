import { describe, expect, it } from 'vitest';
import type { MediaPacket } from '../../../contract.ts';
import { copyOf, ignore, PlanePair, picture, sound } from './plane.testing.ts';

describe('the plane without redundancy', () => {
  it('carries every field of sound and picture', () => {
    const pair = new PlanePair({ delayMs: 10 });
    const heard: MediaPacket[] = [];
    const seen: MediaPacket[] = [];
    pair.b.hear(1, p => void heard.push(copyOf(p)));
    pair.b.hear(2, p => void seen.push(copyOf(p)));
    const voice = pair.a.send(1, 'audio', 48000, ignore);
    const camera = pair.a.send(2, 'video', 90000, ignore);
    const sounds = [sound(5), sound(6, { marker: true }), sound(7, { level: 0 })];
    const pictures = [
      ...picture(1, 100, 3, { key: true, config: true }),
      ...picture(2, 103, 1, { temporal: 2 }),
    ];
    for (const p of sounds) voice.sink(p, 0);
    for (const p of pictures) camera.sink(p, 0);
    pair.run(100);
    expect(heard).toEqual(sounds);
    expect(seen).toEqual(pictures);
    expect(pair.drops.b.all().size).toBe(0);
  });
});
