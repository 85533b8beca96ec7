import { describe, expect, it } from 'vitest';
import type { MediaPacket } from '../contract.ts';
import { Lane, type Listener } from './lane.ts';
import { CountingCodecs } from './testing/counting-codecs.ts';
import { PCMU } from './testing/room.ts';

const lane = async (ptimeMs: number): Promise<Lane> =>
  new Lane(await new CountingCodecs().openEncoder(PCMU, 8000, { ptimeMs }));
const listener = (nextPts = Number.NEGATIVE_INFINITY): Listener & { heard: MediaPacket[] } => {
  const heard: MediaPacket[] = [];
  return { heard, nextPts, seq: 0, sink: p => void heard.push({ ...p, payload: p.payload.slice() }) };
};
const block = new Int16Array(160);

describe('Lane', () => {
  it('begun anywhere, its frames stand where those of every lane stand', async () => {
    const frames = await lane(60);
    frames.begin(160 * 4, undefined);
    const ears = listener();
    frames.add(ears, 160 * 4);
    for (let i = 4; i < 12; i++) frames.push(block, 160 * i, i);
    expect(ears.heard.map(p => [p.seq, p.pts, p.marker])).toEqual([
      [0, 480, true],
      [1, 960, false],
      [2, 1440, false],
    ]);
  });

  it('gives nobody what it has heard already on another lane', async () => {
    const frames = await lane(20);
    frames.begin(0, undefined);
    const ears = listener(480);
    frames.add(ears, 0);
    for (let i = 0; i < 5; i++) frames.push(block, 160 * i, i);
    expect(ears.heard.map(p => p.pts)).toEqual([480, 640]);
  });

  it('begun with a past, a frame holds the end of it', async () => {
    const frames = await lane(40);
    frames.begin(160 * 3, new Int16Array(1600).fill(7));
    const ears = listener();
    frames.add(ears, 160 * 3);
    for (let i = 3; i < 6; i++) frames.push(block, 160 * i, i);
    expect(ears.heard.map(p => [p.pts, p.payload[0]])).toEqual([
      [320, 1],
      [640, 0],
    ]);
  });

  it('an encoder used before goes on with the new pts', async () => {
    const frames = await lane(20);
    for (let i = 0; i < 9; i++) frames.push(block, 160 * i, i);
    frames.begin(160 * 100, undefined);
    const ears = listener();
    frames.add(ears, 160 * 100);
    frames.push(block, 160 * 100, 100);
    expect(ears.heard[0]!.pts).toBe(160 * 100);
  });
});
