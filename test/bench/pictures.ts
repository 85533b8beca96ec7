import type { Frame } from 'node-av/lib';
import type { Av } from '../../codecs/av.ts';
import { readAnnexB } from '../../codecs/h264/annexb.ts';
import { h264Depacketizer } from '../../codecs/h264/depacketize.ts';
import { h264Ingress } from '../../codecs/h264/ingress.ts';
import { h264Packetizer } from '../../codecs/h264/packetize.ts';
import { loadVideoAv } from '../../codecs/video/av.ts';
import { openJob } from '../../codecs/video/jobs.ts';
import { openDecoderWith } from '../../codecs/video/picture-decoder.ts';
import { openEncoderWith } from '../../codecs/video/picture-encoder.ts';
import { blankFrame, Scaler } from '../../codecs/video/scaler.ts';
import type { CodedPicture, EncodeSpec } from '../../codecs/video/wire.ts';
import type { MediaPacket, VideoCodec } from '../../src/contract.ts';
import { type Bench, CALLS, cpuOf, type Figure, median } from './measure.ts';

const SIZES = [
  [640, 480, 800_000],
  [1280, 720, 2_000_000],
] as const;
const CODECS: readonly VideoCodec[] = ['H264', 'VP8'];
const PICTURES = 60;
const ROUNDS = 5;

export const pictures: Bench = {
  name: 'pictures',
  about:
    'CPU for one picture of one stream, in a video worker, at 30 a second; baseline: copying the raw picture. ' +
    'Ingress and depacketizer: for one packet, on the main thread',
  async run({ note }) {
    const lib = await loadVideoAv();
    const figures: Figure[] = [];
    for (const [width, height, bitrateBps] of SIZES) {
      const frames = scenes(lib, width, height);
      const copy = perPicture(frames, frame => void Buffer.from((frame.data ?? [])[0] as Buffer));
      const size = `${width}×${height}`;
      const add = (what: string, value: number): void => {
        figures.push({ what: `${what}, ${size}`, value, unit: 'ms', baseline: copy });
      };
      for (const codec of CODECS) {
        note(`${codec} ${size}`);
        const { ms, coded } = encodeAll(lib, codec, frames, bitrateBps);
        add(`${codec} encode`, ms);
        add(`${codec} decode`, decodeAll(lib, codec, coded));
      }
      const scaler = new Scaler(lib);
      add(
        'scale to half',
        perPicture(frames, frame => void scaler.scale(frame, width / 2, height / 2)),
      );
      if (width === 1280) {
        const { coded } = encodeAll(lib, 'H264', frames, bitrateBps);
        note('grid');
        add('grid of 4 H264 decoded, composed, encoded', gridOf(lib, coded));
        figures.push(...perPacket(coded));
      }
      scaler.close();
      for (const frame of frames) frame.free();
    }
    return figures;
  },
};

/** A moving surface with fine grain: a compromise between a face and a street. */
function scenes(lib: Av, width: number, height: number): Frame[] {
  let state = 1;
  return Array.from({ length: PICTURES }, (_, n) => {
    const frame = blankFrame(lib, width, height);
    frame.data?.forEach((plane, p) => {
      const stride = frame.linesize[p] as number;
      for (let i = 0; i < plane.length; i++) {
        const x = i % stride;
        const y = Math.floor(i / stride);
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        plane[i] = 128 + 50 * Math.sin((x + n * 3) / 23) * Math.cos((y - n) / 17) + (state >>> 30);
      }
    });
    return frame;
  });
}

/** CPU of one call, ms: the median of some rounds. */
function perPicture<T>(list: readonly T[], run: (item: T, i: number) => void): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage();
    list.forEach(run);
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / list.length;
  });
  return median(rounds);
}

function encodeAll(lib: Av, codec: VideoCodec, frames: readonly Frame[], bitrateBps: number) {
  const { width, height } = frames[0] as Frame;
  const encoder = openEncoderWith(lib, { codec, width, height, fps: 30, bitrateBps });
  let coded: CodedPicture[] = [];
  let pts = 0;
  const ms = perPicture(frames, (frame, i) => {
    if (i === 0) coded = [];
    encoder.encode(frame, (pts += 3000), i === 0, (bytes, at, key) => {
      coded.push({ bytes: Uint8Array.from(bytes), pts: at, key });
    });
  });
  encoder.close();
  return { ms, coded };
}

function decodeAll(lib: Av, codec: VideoCodec, coded: readonly CodedPicture[]): number {
  const decoder = openDecoderWith(lib, codec);
  const ms = perPicture(coded, p => void decoder.decode(p.bytes, p.pts, () => {}));
  decoder.close();
  return ms;
}

function gridOf(lib: Av, coded: readonly CodedPicture[]): number {
  const encode: EncodeSpec = {
    codec: 'H264',
    maxBlocks: 3600,
    maxBlocksPerSecond: 108_000,
    maxFps: 30,
    bitrateBps: 1_500_000,
    maxLevel: 31,
  };
  const job = openJob(lib, { kind: 'grid', encode, width: 1280, height: 720, cells: 4 });
  let pts = 0;
  const ms = perPicture(coded, picture => {
    const out: CodedPicture[] = [];
    for (let cell = 0; cell < 4; cell++) job.pictures(cell, 'H264', [picture], out);
    job.compose((pts += 3000), out);
  });
  job.close();
  return ms;
}

function perPacket(coded: readonly CodedPicture[]): Figure[] {
  const packets: MediaPacket[] = [];
  const pack = h264Packetizer();
  for (const p of coded)
    pack(readAnnexB(p.bytes), p.key, (payload, frame) =>
      packets.push({
        seq: packets.length,
        pts: p.pts,
        marker: frame.end,
        payload: payload.slice(),
        frame: { ...frame },
      }),
    );
  const needs = { format() {}, drop() {} };
  const ingress = h264Ingress(needs)(() => {});
  const units = h264Depacketizer(() => {});
  let seq = 0;
  const next = (): MediaPacket => {
    const p = packets[seq % packets.length] as MediaPacket;
    return { ...p, seq: seq++, pts: p.pts + Math.floor(seq / packets.length) * 1e7 };
  };
  const room = new Uint8Array(1200);
  const cost = cpuOf({
    ingress: () => ingress(next(), 0),
    copy: () => room.set(packets[seq++ % packets.length]?.payload as Uint8Array),
  });
  seq = 0;
  const put = cpuOf({ depacketize: () => units.push(next()) });
  return [
    { what: `H264 ingress, a packet (${CALLS} calls)`, value: cost.ingress, unit: 'µs', baseline: cost.copy },
    { what: 'H264 depacketizer, a packet', value: put.depacketize, unit: 'µs', baseline: cost.copy },
  ];
}
