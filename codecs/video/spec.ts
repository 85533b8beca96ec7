import type { Format } from '../../src/contract.ts';
import { acceptedLimits, readProfileLevelId } from '../h264/level.ts';
import type { EncodeSpec } from './wire.ts';

/** Beyond 30 pictures a second nobody in a conference sees a difference that is worth its price. */
const MAX_FPS = 30;
/** 720p: what a VP8 receiver that sets no limit is sent at most. */
const DEFAULT_BLOCKS = 3600;
/** Packetization-mode 0: a slice must fit a packet, and x264 keeps to its limit only about. */
const SLICE_BYTES = 1000;
export const MAX_SINGLE_BYTES = 1300;

const within = (value: string | undefined, otherwise: number): number => {
  const n = Number(value);
  return value !== undefined && Number.isFinite(n) && n > 0 ? n : otherwise;
};

/** What may be encoded for a receiver that accepts `to`. RFC 6184 §8.1, RFC 7741 §6.1. */
export function encodeSpec(to: Format, bitrateBps: number, maxFps = MAX_FPS): EncodeSpec {
  const { fmtp = {} } = to;
  if (to.codec !== 'H264') {
    const maxBlocks = within(fmtp['max-fs'], DEFAULT_BLOCKS);
    const fps = Math.min(maxFps, within(fmtp['max-fr'], MAX_FPS));
    return { codec: 'VP8', maxBlocks, maxBlocksPerSecond: maxBlocks * MAX_FPS, maxFps: fps, bitrateBps };
  }
  const limits = acceptedLimits(to);
  return {
    codec: 'H264',
    maxBlocks: limits.maxFs,
    maxBlocksPerSecond: limits.maxMbps,
    maxFps,
    bitrateBps: Math.min(bitrateBps, limits.maxBps),
    maxLevel: readProfileLevelId(fmtp['profile-level-id'])?.level ?? 10,
    ...(isMode0(to) ? { sliceBytes: SLICE_BYTES } : {}),
  };
}

/** RFC 6184 §8.1: absent means 0. */
export const isMode0 = (to: Format): boolean => (to.fmtp?.['packetization-mode'] ?? '0') === '0';
