import { describe, expect, it } from 'vitest';
import { FramedReader, writeFramed } from './framing.ts';

const FRAMES = [Buffer.from('{"a":1}'), Buffer.alloc(300, 7), Buffer.of(128)];
const STREAM = Buffer.concat([...FRAMES.map(f => writeFramed(f, f.length)), Buffer.of(0, 0)]);

const read = (chunks: readonly Buffer[], limit = 1000): Buffer[] | undefined => {
  const frames: Buffer[] = [];
  const reader = new FramedReader(limit, f => void frames.push(Buffer.from(f)));
  return chunks.every(c => reader.push(c)) ? frames : undefined;
};

describe('frames of a stream', () => {
  it('come out whole: at once, byte by byte, and cut at every place', () => {
    expect(read([STREAM])).toEqual(FRAMES);
    expect(read([...STREAM].map(b => Buffer.of(b)))).toEqual(FRAMES);
    for (let cut = 1; cut < STREAM.length; cut++)
      expect(read([STREAM.subarray(0, cut), STREAM.subarray(cut)])).toEqual(FRAMES);
  });

  it('beyond the limit end the stream before anything is kept of them', () => {
    expect(read([STREAM], 299)).toBeUndefined();
    expect(read([Buffer.of(0xff, 0xff)])).toBeUndefined();
  });

  it('carry as many bytes as they are told', () => {
    expect(writeFramed(Buffer.from('abcdef'), 3)).toEqual(Buffer.from('\0\x03abc'));
  });
});
