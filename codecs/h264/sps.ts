import { BitReader } from './bits.ts';
import { NalType, nalType } from './nal.ts';

/** What a sequence parameter set says of its pictures. ITU-T H.264 §7.3.2.1.1, annex E for the VUI. */
export interface Sps {
  /** Profile, constraint flags and level: the three bytes of SDP's `profile-level-id`, lower-case hex. */
  readonly profileLevelId: string;
  readonly id: number;
  /** What is shown: cropping taken off, pixels. */
  readonly width: number;
  readonly height: number;
  /** Size of the coded picture in macroblocks. */
  readonly macroblocks: number;
  /** Chroma format (1: 4:2:0) and bit depths minus 8. */
  readonly chroma: number;
  readonly lumaDepth: number;
  readonly chromaDepth: number;
  readonly interlaced: boolean;
  /** Pictures shown later than decoded, at most; undefined when it is not told and does not follow. */
  readonly reorderFrames: number | undefined;
  /** Frames a second by the VUI, nominal where the rate is not fixed. */
  readonly fps: number | undefined;
}

/** MaxFS of level 5.2, the largest that anyone sends here: 36864 macroblocks, 4096×2304. */
const MAX_MACROBLOCKS = 36_864;
/** √(8 × MaxFS): §A.3.1 allows no longer side. */
const MAX_SIDE = 543;
const WITH_CHROMA = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/** Undefined when it is not an SPS, is cut short, or says what cannot be. Never throws. */
export function readSps(unit: Uint8Array): Sps | undefined {
  if (unit.length < 5 || nalType(unit) !== NalType.sps) return undefined;
  const profile = unit[1] as number;
  const b = new BitReader(unit, 4);
  const id = b.ue(31);
  const format = WITH_CHROMA.has(profile) ? readChroma(b) : { chroma: 1, lumaDepth: 0, chromaDepth: 0 };
  b.ue(12); // log2_max_frame_num_minus4
  const pocType = readPictureOrder(b);
  b.ue(16); // max_num_ref_frames
  b.u(1); // gaps_in_frame_num_value_allowed_flag
  const wide = b.ue(MAX_SIDE) + 1;
  const high = b.ue(MAX_SIDE) + 1;
  const interlaced = !b.flag();
  if (interlaced) b.u(1); // mb_adaptive_frame_field_flag
  b.u(1); // direct_8x8_inference_flag
  const tall = interlaced ? high * 2 : high;
  const crop = readCrop(b, format.chroma, interlaced);
  const vui = b.flag() ? readVui(b) : { fps: undefined, reorderFrames: undefined };
  const width = wide * 16 - crop.x;
  const height = tall * 16 - crop.y;
  if (b.bad || width <= 0 || height <= 0 || wide * tall > MAX_MACROBLOCKS) return undefined;
  return {
    profileLevelId: Buffer.from(unit.buffer, unit.byteOffset + 1, 3).toString('hex'),
    id,
    width,
    height,
    macroblocks: wide * tall,
    ...format,
    interlaced,
    reorderFrames: vui.reorderFrames ?? (neverReorders(unit, pocType) ? 0 : undefined),
    fps: vui.fps,
  };
}

/**
 * Baseline has no B slices (§A.2.1); with order count type 2 output order is decoding order (§8.2.1.3); intra
 * profiles (constraint_set3_flag, annex A.2.8–10) have nothing to reorder.
 */
function neverReorders(unit: Uint8Array, pocType: number): boolean {
  const profile = unit[1] as number;
  const intra = profile >= 100 && profile <= 244 && ((unit[2] as number) & 0x10) !== 0;
  return pocType === 2 || profile === 66 || profile === 44 || intra;
}

function readChroma(b: BitReader): { chroma: number; lumaDepth: number; chromaDepth: number } {
  const chroma = b.ue(3);
  if (chroma === 3) b.u(1); // separate_colour_plane_flag
  const lumaDepth = b.ue(6);
  const chromaDepth = b.ue(6);
  b.u(1); // qpprime_y_zero_transform_bypass_flag
  const lists = b.flag() ? (chroma === 3 ? 12 : 8) : 0; // seq_scaling_matrix_present_flag
  for (let i = 0; i < lists; i++) if (b.flag()) skipScalingList(b, i < 6 ? 16 : 64);
  return { chroma, lumaDepth, chromaDepth };
}

/** §7.3.2.1.1.1 */
function skipScalingList(b: BitReader, size: number): void {
  let next = 8;
  for (let i = 0, last = 8; i < size && next !== 0 && !b.bad; i++) {
    next = (last + b.se() + 256) & 255;
    if (next !== 0) last = next;
  }
}

function readPictureOrder(b: BitReader): number {
  const type = b.ue(2);
  if (type === 0) b.ue(12); // log2_max_pic_order_cnt_lsb_minus4
  if (type === 1) {
    b.u(1); // delta_pic_order_always_zero_flag
    b.se();
    b.se();
    for (let n = b.ue(255); n > 0; n--) b.se();
  }
  return type;
}

/** Pixels cut off in all, horizontally and vertically. §7.4.2.1.1 */
function readCrop(b: BitReader, chroma: number, interlaced: boolean): { x: number; y: number } {
  if (!b.flag()) return { x: 0, y: 0 };
  const unitX = chroma === 1 || chroma === 2 ? 2 : 1;
  const unitY = (chroma === 1 ? 2 : 1) * (interlaced ? 2 : 1);
  const x = (b.ue(16_384) + b.ue(16_384)) * unitX;
  return { x, y: (b.ue(16_384) + b.ue(16_384)) * unitY };
}

/** §E.1.1: only to get to the end of it, where the depth of reordering stands. */
function readVui(b: BitReader): { fps: number | undefined; reorderFrames: number | undefined } {
  if (b.flag() && b.u(8) === 255) b.u(32); // aspect ratio, written out
  if (b.flag()) b.u(1); // overscan
  if (b.flag()) {
    b.u(4); // video_format, full range
    if (b.flag()) b.u(24); // colour description
  }
  if (b.flag()) {
    b.ue(5); // chroma sample location
    b.ue(5);
  }
  let fps: number | undefined;
  if (b.flag()) {
    const unitsInTick = b.u(32);
    const timeScale = b.u(32);
    if (unitsInTick > 0 && timeScale > 0) fps = timeScale / (2 * unitsInTick);
    b.u(1); // fixed_frame_rate_flag
  }
  const nalHrd = b.flag();
  if (nalHrd) skipHrd(b);
  const vclHrd = b.flag();
  if (vclHrd) skipHrd(b);
  if (nalHrd || vclHrd) b.u(1); // low_delay_hrd_flag
  b.u(1); // pic_struct_present_flag
  if (!b.flag()) return { fps, reorderFrames: undefined };
  b.u(1); // motion_vectors_over_pic_boundaries_flag
  for (let i = 0; i < 4; i++) b.ue(16); // max bytes and bits denominators, log2 of the longest motion vectors
  const reorderFrames = b.ue(16);
  return { fps, reorderFrames };
}

/** §E.1.2 */
function skipHrd(b: BitReader): void {
  const count = b.ue(31) + 1;
  b.u(8); // scales
  for (let i = 0; i < count && !b.bad; i++) {
    b.ue();
    b.ue();
    b.u(1);
  }
  b.u(20); // lengths of delays and time offsets
}
