import { z } from 'zod';
import type {
  Format,
  MemberInfo,
  NewTrack,
  RoomEvent,
  Termination,
  TrackInfo,
  Want,
} from '../../src/contract.ts';

/** What of the seam travels between a native member and its agent. A key that is missing here does not compile. */
type Shape<T> = Record<keyof T, z.ZodType>;

const id = z.string().min(1).max(256);
const name = z.string().min(1).max(128);
export const media = z.enum(['audio', 'video']);

export const termination = z.strictObject({
  blame: z.enum(['none', 'client', 'server', 'upstream']),
  reason: z.string().max(128),
  text: z.string().max(1024).exactOptional(),
} satisfies Shape<Termination>);

export const format = z.strictObject({
  codec: z.enum(['opus', 'PCMU', 'PCMA', 'G722', 'AAC', 'H264', 'VP8']),
  clockRate: z.int().min(8000).max(192_000),
  channels: z.union([z.literal(1), z.literal(2)]).exactOptional(),
  fmtp: z
    .record(z.string().max(64), z.string().max(512))
    .refine(all => Object.keys(all).length <= 16)
    .exactOptional(),
} satisfies Shape<Format>);

const source = z.enum(['mic', 'camera', 'screen', 'prompt']);

/** RTP timestamps say which medium it is. */
export const mediaOf = ({ codec }: Pick<Format, 'codec'>): 'audio' | 'video' =>
  codec === 'H264' || codec === 'VP8' ? 'video' : 'audio';

const CLOCK_RATES: Readonly<Record<string, number>> = {
  opus: 48_000,
  PCMU: 8000,
  PCMA: 8000,
  G722: 8000,
  H264: 90_000,
  VP8: 90_000,
};
/** What rooms carry as it is. */
export const published = format.refine(
  f => CLOCK_RATES[f.codec] === f.clockRate,
  'no format that rooms carry',
);

/** What a member may publish: no prompts, and no copies in layers. Sound is of microphones: those are what is muted. */
export const newTrack = z
  .strictObject({
    source: z.enum(['mic', 'camera', 'screen']),
    format: published,
    canKeyframe: z.boolean(),
    syncGroup: name,
  })
  .refine(
    t => (t.source === 'mic') === (mediaOf(t.format) === 'audio'),
    'sound is published as mic, a picture as camera or screen',
  ) satisfies z.ZodType<NewTrack>;

export const trackInfo = z.strictObject({
  source,
  format,
  layers: z.array(z.string()).exactOptional(),
  canKeyframe: z.boolean(),
  syncGroup: z.string(),
  early: z.boolean().exactOptional(),
  layerOf: id.exactOptional(),
  id,
  participant: z.string(),
} satisfies Shape<TrackInfo>);

const accept = z.array(published).min(1).max(16);
const mixed = published.refine(f => mediaOf(f) === 'audio', 'the mix is sound');
/** JSON has no infinity: no limit is left out. */
const maxBps = z.number().positive().optional();
const slots = { slot: z.int().min(0).max(63), of: z.int().min(1).max(64) };
export const want = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('mix'), codec: mixed, ptimeMs: z.number().min(2.5).max(120) }),
  z.strictObject({ kind: z.literal('track'), id, accept }),
  z.strictObject({ kind: z.literal('member'), participant: name, source, accept }),
  z.strictObject({ kind: z.literal('loudest'), ...slots, accept }),
  z.strictObject({
    kind: z.literal('picture'),
    source: z.enum(['speaker', 'content', 'grid']),
    accept,
    maxBps,
  }),
  z.strictObject({ kind: z.literal('cameras'), ...slots, accept, maxBps }),
]);
export type WiredWant = z.infer<typeof want>;

export const readWant = (w: WiredWant): Want =>
  w.kind === 'picture' || w.kind === 'cameras' ? { ...w, maxBps: w.maxBps ?? Number.POSITIVE_INFINITY } : w;
export const writeWant = (w: Want): object => {
  if (!('maxBps' in w) || Number.isFinite(w.maxBps)) return w;
  const { maxBps: _none, ...rest } = w;
  return rest;
};

export const member = z.strictObject({
  participant: z.string(),
  display: z.string(),
  protocols: z.array(z.string()),
  muted: z.strictObject({ audio: z.boolean(), video: z.boolean() }),
  state: z.enum(['here', 'away']),
  tracks: z.array(trackInfo),
} satisfies Shape<MemberInfo>);

/** All but the roster, which may be too long for one message. */
export const roomEvent = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('member'), member }),
  z.strictObject({ type: z.literal('left'), participant: z.string(), why: termination }),
  z.strictObject({ type: z.literal('speaking'), participants: z.array(z.string()) }),
  z.strictObject({ type: z.literal('text'), from: z.string(), text: z.string() }),
]) satisfies z.ZodType<Exclude<RoomEvent, { type: 'roster' }>>;
