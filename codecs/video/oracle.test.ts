/** What we read and make, against an independent implementation: the ffmpeg program. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Format, MediaPacket } from '../../src/contract.ts';
import { missing } from '../../test/harness/child.ts';
import { readAnnexB, writeAnnexB } from '../h264/annexb.ts';
import { h264Depacketizer } from '../h264/depacketize.ts';
import { h264Ingress } from '../h264/ingress.ts';
import { NalType, nalType } from '../h264/nal.ts';
import { h264Packetizer } from '../h264/packetize.ts';
import { readSlice } from '../h264/slice.ts';
import { readSps } from '../h264/sps.ts';
import { vp8Depacketizer } from '../vp8/depacketize.ts';
import { vp8Ingress } from '../vp8/ingress.ts';
import { vp8Packetizer } from '../vp8/packetize.ts';
import { openPattern } from './pattern.ts';
import { drawPattern, type Planes } from './pattern-draw.ts';
import { planesOf, readPattern, rgbOf } from './pattern-read.ts';
import { copyPacket, h264, openViewer, realClock, until, vp8 } from './testing/tape.ts';
import { closeVideoWorkers, openVideoTranscoder } from './transcoder.ts';

const dir = mkdtempSync(join(tmpdir(), 'roombridge-video-'));
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await closeVideoWorkers();
});

let files = 0;
const file = (bytes?: Uint8Array): string => {
  const path = join(dir, `${files++}`);
  if (bytes) writeFileSync(path, bytes);
  return path;
};
function ffmpeg(...args: string[]): Buffer {
  const to = file();
  execFileSync('ffmpeg', ['-y', '-loglevel', 'error', ...args, to]);
  return readFileSync(to);
}
/** A stream of ffmpeg's own. */
const made = (size: string, frames: number, ...codec: string[]): Buffer =>
  ffmpeg('-f', 'lavfi', '-i', `testsrc=size=${size}:rate=30`, '-frames:v', `${frames}`, ...codec);
const probe = (bytes: Uint8Array) => {
  const args = ['-v', 'error', '-select_streams', 'v', '-show_streams', '-of', 'json', '-count_frames'];
  return JSON.parse(execFileSync('ffprobe', [...args, file(bytes)]).toString()).streams[0];
};

const VP8_OPTIONS = ['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8', '-g', '10', '-f', 'ivf'];

/** Annex B to access units, each begun by a delimiter (`-x264-params aud=1`). */
function accessUnits(stream: Uint8Array): Uint8Array[][] {
  const list: Uint8Array[][] = [];
  for (const unit of readAnnexB(stream)) {
    if (nalType(unit) === NalType.aud) list.push([]);
    list.at(-1)?.push(unit);
  }
  return list;
}

/** IVF: a header of 32 bytes, then per picture its size, its time in eight bytes, its bytes. */
function ivfPictures(ivf: Buffer): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let at = 32; at + 12 <= ivf.length; ) {
    const length = ivf.readUInt32LE(at);
    list.push(ivf.subarray(at + 12, at + 12 + length));
    at += 12 + length;
  }
  return list;
}

function toIvf(pictures: readonly Uint8Array[], width: number, height: number): Buffer {
  const header = Buffer.alloc(32);
  header.write('DKIF');
  header.writeUInt16LE(32, 6);
  header.write('VP80', 8);
  header.writeUInt16LE(width, 12);
  header.writeUInt16LE(height, 14);
  header.writeUInt32LE(15, 16);
  header.writeUInt32LE(1, 20);
  header.writeUInt32LE(pictures.length, 24);
  return Buffer.concat([
    header,
    ...pictures.flatMap((picture, i) => {
      const head = Buffer.alloc(12);
      head.writeUInt32LE(picture.length);
      head.writeUInt32LE(i, 4);
      return [head, picture];
    }),
  ]);
}

/** What the packets hold, as a file ffmpeg reads. */
function asFile(codec: string, packets: readonly MediaPacket[], width: number, height: number): Uint8Array {
  const parts: Uint8Array[] = [];
  if (codec === 'H264') {
    const d = h264Depacketizer(unit => parts.push(writeAnnexB(unit.units)));
    for (const p of packets) d.push(p);
    return Buffer.concat(parts);
  }
  const d = vp8Depacketizer(picture => parts.push(picture.bytes.slice()));
  for (const p of packets) d.push(p);
  return toIvf(parts, width, height);
}

const planes = (width: number, height: number, bytes: Uint8Array): Planes => {
  const luma = width * height;
  return {
    width,
    height,
    data: [bytes.subarray(0, luma), bytes.subarray(luma, luma * 1.25), bytes.subarray(luma * 1.25)],
    strides: [width, width / 2, width / 2],
  };
};

function psnrDb(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return 10 * Math.log10(255 ** 2 / (sum / a.length));
}

describe.skipIf(missing('ffmpeg', 'ffprobe'))('against ffmpeg', () => {
  it.each([
    ['640x480', ['-profile:v', 'baseline', '-pix_fmt', 'yuv420p']],
    ['354x286', ['-profile:v', 'main', '-pix_fmt', 'yuv420p', '-bf', '2']],
    [
      '1280x720',
      ['-profile:v', 'high', '-pix_fmt', 'yuv420p', '-bf', '3', '-x264-params', 'b-pyramid=normal'],
    ],
    ['640x360', ['-profile:v', 'high422', '-pix_fmt', 'yuv422p10le', '-bf', '0']],
    ['322x242', ['-profile:v', 'high444', '-pix_fmt', 'yuv444p', '-x264-params', 'cqm=jvt']],
    [
      '720x576',
      [
        '-flags',
        '+ilme+ildct',
        '-pix_fmt',
        'yuv420p',
        '-x264-params',
        'interlaced=1:nal-hrd=cbr',
        '-b:v',
        '1M',
        '-maxrate',
        '1M',
        '-bufsize',
        '1M',
      ],
    ],
  ])('parameter sets and slices of %s %j', (size, codec) => {
    const stream = made(size, 12, '-c:v', 'libx264', ...codec, '-f', 'h264');
    const theirs = probe(stream);
    const units = readAnnexB(stream);
    const sps = readSps(units.find(u => nalType(u) === NalType.sps)!)!;
    expect(`${sps.width}x${sps.height}`).toBe(size);
    expect([sps.width, sps.height, sps.fps]).toEqual([theirs.width, theirs.height, 30]);
    expect(sps.reorderFrames).toBe(theirs.has_b_frames);
    expect(Number.parseInt(sps.profileLevelId.slice(4), 16)).toBe(theirs.level);
    expect(sps.interlaced).toBe(theirs.field_order !== 'progressive');
    expect(sps.lumaDepth + 8).toBe(Number(theirs.bits_per_raw_sample));
    const slices = units.map(readSlice).filter(s => s !== undefined);
    expect(slices.filter(s => s.type === 'B').length > 0).toBe(theirs.has_b_frames > 0);
    expect(slices.filter(s => s.firstMb === 0).length).toBeGreaterThanOrEqual(12);
  });

  it.each(['H264', 'VP8'] as const)('the ingress finds the pictures of ffmpeg’s own %s', codec => {
    const packets: MediaPacket[] = [];
    const drops: string[] = [];
    const formats: Format[] = [];
    let pts = 0;
    const emit = (payload: Uint8Array, mark: { end: boolean }): void => {
      packets.push({ seq: packets.length, pts, marker: mark.end, payload: payload.slice() });
    };
    if (codec === 'H264') {
      const options = [
        '-c:v',
        'libx264',
        '-pix_fmt',
        'yuv420p',
        '-g',
        '10',
        '-x264-params',
        'aud=1:slices=3',
      ];
      const pack = h264Packetizer();
      for (const units of accessUnits(made('640x480', 30, ...options, '-f', 'h264'))) {
        pack(units, false, emit);
        pts += 3000;
      }
    } else {
      const pack = vp8Packetizer();
      for (const p of ivfPictures(made('640x480', 30, ...VP8_OPTIONS))) {
        pack(p, emit);
        pts += 3000;
      }
    }
    const out: MediaPacket[] = [];
    const needs = { format: (f: Format) => formats.push(f), drop: (why: string) => drops.push(why) };
    const stage = (codec === 'H264' ? h264Ingress : vp8Ingress)(needs)(p => out.push(copyPacket(p)));
    for (const p of packets) stage(p, 0);
    expect(drops).toEqual([]);
    expect(out.filter(p => p.frame?.start).map(p => p.pts)).toEqual(
      Array.from({ length: 30 }, (_, i) => i * 3000),
    );
    expect(out.filter(p => p.frame?.start && p.frame.key).map(p => p.pts)).toEqual([0, 30_000, 60_000]);
    expect(formats).toMatchObject([{ codec, fmtp: { 'x-size': '640x480' } }]);
  });

  it.each([
    ['VP8', h264(), 640, 360],
    ['H264', vp8(), 640, 360],
    ['H264', h264({ 'packetization-mode': '0', 'profile-level-id': '42e00d' }), 416, 234],
  ] as const)(
    'what we make of %s for %o is decoded by ffmpeg and looks as drawn',
    async (from, to, width, height) => {
      const packets: MediaPacket[] = [];
      let pictures = 0;
      const transcoder = await openVideoTranscoder(from === 'H264' ? h264() : vp8(), to, {
        bitrateBps: 800_000,
        onPacket(p) {
          packets.push(copyPacket(p));
          if (p.marker) pictures++;
        },
        onFormat() {},
        onKeyNeeded() {},
        onFailed: why => expect.fail(why.text),
        clock: realClock,
      });
      const pattern = await openPattern({
        codec: from,
        width: 640,
        height: 360,
        fps: 15,
        colour: 'magenta',
        bitrateBps: 2_000_000,
      });
      for (let i = 0; i < 15; i++) {
        pattern.send(i * 10, p => transcoder.push(p, 0), 0);
        await until(() => pictures > i);
      }
      transcoder.close();
      pattern.close();
      const coded = asFile(to.codec, packets, width, height);
      expect(probe(coded)).toMatchObject({ width, height, nb_read_frames: '15' });
      const raw = ffmpeg('-i', file(coded), '-f', 'rawvideo', '-pix_fmt', 'yuv420p');
      const size = (width * height * 3) / 2;
      expect(raw.length).toBe(15 * size);
      for (let i = 0; i < 15; i++) {
        const picture = raw.subarray(i * size, (i + 1) * size);
        expect(readPattern(planesOf(planes(width, height, picture)))).toEqual({
          colour: 'magenta',
          frameNumber: i,
          clockMs: i * 10,
        });
        if (width !== 640) continue;
        const drawn = Buffer.alloc(size);
        drawPattern(planes(width, height, drawn), 'magenta', i, i * 10);
        expect(psnrDb(picture, drawn)).toBeGreaterThan(30);
      }
      const rgb = ffmpeg('-i', file(coded), '-frames:v', '1', '-f', 'rawvideo', '-pix_fmt', 'rgb24');
      expect(readPattern(rgbOf(width, height, rgb, 3))).toEqual({
        colour: 'magenta',
        frameNumber: 0,
        clockMs: 0,
      });
    },
  );

  it('B-frames go in, in order of decoding; pictures come out in order of showing', async () => {
    const options = ['-c:v', 'libx264', '-pix_fmt', 'yuv420p', '-bf', '2', '-x264-params', 'aud=1:b-adapt=0'];
    const units = accessUnits(made('320x240', 16, ...options, '-f', 'h264'));
    const order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11, 15, 13, 14];
    const viewer = await openViewer('H264');
    const transcoder = await openVideoTranscoder(h264(), h264(), {
      bitrateBps: 500_000,
      onPacket: p => viewer.push(p),
      onFormat() {},
      onKeyNeeded: () => expect.fail('key'),
      onFailed: why => expect.fail(why.text),
      clock: realClock,
    });
    const pack = h264Packetizer();
    let seq = 0;
    for (const [i, list] of units.entries())
      pack(list, i === 0, (payload, frame) =>
        transcoder.push({ seq: seq++, pts: order[i]! * 3000, marker: frame.end, payload, frame }, 0),
      );
    await until(() => viewer.seen.length >= 13);
    expect(viewer.seen.slice(0, 13).map(s => s.pts)).toEqual(Array.from({ length: 13 }, (_, i) => i * 3000));
    // A source without B-frames takes over: none of its pictures is held back.
    const plain = await openPattern({ codec: 'H264', width: 320, height: 240, fps: 30, colour: 'grey' });
    transcoder.restart();
    for (let i = 0; i < 5; i++) plain.send(0, p => transcoder.push({ ...p, pts: p.pts + 48_000 }, 0), 0);
    await until(() => viewer.seen.at(-1)?.patterns[0]?.frameNumber === 4);
    plain.close();
    transcoder.close();
    viewer.close();
  });
});

it('workers run as the program starts: node with tsx registered, no test runner', () => {
  const script = `
    const { register } = await import('tsx/esm/api'); register();
    const { openVideoTranscoder, closeVideoWorkers } = await import('./codecs/video/transcoder.ts');
    const { openPattern } = await import('./codecs/video/pattern.ts');
    const clock = { now: () => performance.now(), at: (t, run) => { const id = setTimeout(run, t - performance.now()); return () => clearTimeout(id); } };
    const to = { codec: 'H264', clockRate: 90000, fmtp: { 'profile-level-id': '42e01e' } };
    const t = await openVideoTranscoder({ codec: 'VP8', clockRate: 90000 }, to, { bitrateBps: 300000, clock,
      onPacket() {}, onKeyNeeded() {}, onFailed: console.error,
      onFormat: f => { console.log(f.fmtp['x-size']); t.close(); closeVideoWorkers(); } });
    const p = await openPattern({ codec: 'VP8', width: 320, height: 240, fps: 15, colour: 'red' });
    p.send(0, packet => t.push(packet, 0), 0);
    p.close();`;
  const output = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: new URL('../../', import.meta.url),
  });
  expect(output.toString()).toBe('320x240\n');
});
