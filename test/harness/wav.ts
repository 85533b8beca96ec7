import { readFileSync, writeFileSync } from 'node:fs';

/** Mono PCM in −1…1. */
export interface Sound {
  readonly rateHz: number;
  readonly samples: Float32Array;
}

/** Writes a mono (or doubled to stereo) 16-bit PCM file. */
export function writeWav(path: string, sound: Sound, channels: 1 | 2 = 1): void {
  const { rateHz, samples } = sound;
  const bytes = samples.length * 2 * channels;
  const out = Buffer.alloc(44 + bytes);
  out.write('RIFF', 0, 'latin1');
  out.writeUInt32LE(36 + bytes, 4);
  out.write('WAVEfmt ', 8, 'latin1');
  out.writeUInt32LE(16, 16);
  out.writeUInt16LE(1, 20); // PCM
  out.writeUInt16LE(channels, 22);
  out.writeUInt32LE(rateHz, 24);
  out.writeUInt32LE(rateHz * 2 * channels, 28);
  out.writeUInt16LE(2 * channels, 32);
  out.writeUInt16LE(16, 34);
  out.write('data', 36, 'latin1');
  out.writeUInt32LE(bytes, 40);
  for (let i = 0; i < samples.length; i++)
    for (let c = 0; c < channels; c++)
      out.writeInt16LE(
        Math.round(Math.max(-1, Math.min(1, samples[i] as number)) * 32767),
        44 + (i * channels + c) * 2,
      );
  writeFileSync(path, out);
}

/** Reads 16-bit PCM, first channel. A file whose writer was killed has a wrong length: what is there counts. */
export function readWav(path: string): Sound {
  const b = readFileSync(path);
  let channels = 1;
  let rateHz = 8000;
  for (let at = 12; at + 8 <= b.length; ) {
    const id = b.toString('latin1', at, at + 4);
    const size = b.readUInt32LE(at + 4);
    if (id === 'fmt ') {
      channels = b.readUInt16LE(at + 10);
      rateHz = b.readUInt32LE(at + 12);
    }
    if (id === 'data') {
      const end = size === 0 ? b.length : Math.min(b.length, at + 8 + size);
      const count = Math.floor((end - at - 8) / 2 / channels);
      const samples = new Float32Array(count);
      for (let i = 0; i < count; i++) samples[i] = b.readInt16LE(at + 8 + i * 2 * channels) / 32768;
      return { rateHz, samples };
    }
    at += 8 + size + (size & 1);
  }
  throw new Error(`${path} has no sound in it`);
}
