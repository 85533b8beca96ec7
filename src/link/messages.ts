import { z } from 'zod';
import type {
  Feedback,
  Format,
  Json,
  MemberInfo,
  NewTrack,
  Outgoing,
  RoomEvent,
  Termination,
  TrackInfo,
  Who,
} from '../contract.ts';
import type { Layout, TrackState } from '../media/room-source.ts';
import type { JoinAsk, Joined, LegNotice, Reclaim } from '../room/port.ts';
import type { FlowStart } from './media-path.ts';

/**
 * What the control stream of a link carries after HELLO: the calls of `RoomPort` and what comes back, for all rooms of
 * one room node. `Ask` goes to the room node, `Tell` comes from it. `n` pairs an answer with what it answers.
 * Every schema names all keys of the type it reads: one that is missing here does not compile.
 */
type Shape<T> = Record<keyof T, z.ZodType>;

const id = z.string().min(1).max(256);
const room = z.string().min(1).max(128);
const n = z.int().nonnegative();
const media = z.enum(['audio', 'video']);

const why = z.strictObject({
  blame: z.enum(['none', 'client', 'server', 'upstream']),
  reason: z.string().max(128),
  text: z.string().max(4096).exactOptional(),
} satisfies Shape<Termination>);

const format = z.strictObject({
  codec: z.enum(['opus', 'PCMU', 'PCMA', 'G722', 'AAC', 'H264', 'VP8']),
  clockRate: z.int().positive(),
  channels: z.union([z.literal(1), z.literal(2)]).exactOptional(),
  fmtp: z.record(z.string(), z.string()).exactOptional(),
} satisfies Shape<Format>);

const newTrack = {
  source: z.enum(['mic', 'camera', 'screen', 'prompt']),
  format,
  layers: z.array(z.string()).exactOptional(),
  canKeyframe: z.boolean(),
  syncGroup: z.string(),
  early: z.boolean().exactOptional(),
  layerOf: id.exactOptional(),
} satisfies Shape<NewTrack>;

const trackInfo = z.strictObject({ ...newTrack, id, participant: z.string() } satisfies Shape<TrackInfo>);

const trackState = z.strictObject({
  info: trackInfo,
  paused: z.boolean(),
  visible: z.boolean(),
} satisfies Shape<TrackState>);

const feedback = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('keyframe') }),
  z.strictObject({ type: z.literal('bitrate'), bps: z.number().nonnegative() }),
  z.strictObject({ type: z.literal('pause'), on: z.boolean() }),
]) satisfies z.ZodType<Feedback>;

const ask = z.strictObject({
  leg: id,
  attempt: z.int().min(1).max(0xffff).exactOptional(),
  gateway: z.string().max(64),
  who: z.strictObject({
    user: z.string(),
    device: z.string().exactOptional(),
    display: z.string().exactOptional(),
    proof: z.enum(['token', 'digest', 'trunk', 'ticket', 'resumed', 'claimed']),
    credential: z.string().exactOptional(),
    returning: z.literal(true).exactOptional(),
    address: z.string().exactOptional(),
  } satisfies Shape<Who>),
  roles: z.array(z.enum(['send', 'receive', 'signal'])),
  track: z.literal('screen').exactOptional(),
  reclaim: z
    .strictObject({
      participant: id,
      display: z.string(),
      secret: z.string(),
      muted: z.strictObject({ audio: z.boolean(), video: z.boolean() }),
    } satisfies Shape<Reclaim>)
    .exactOptional(),
} satisfies Shape<JoinAsk>) satisfies z.ZodType<JoinAsk>;

const joined = z.strictObject({
  participant: z.string(),
  display: z.string(),
  secret: z.string(),
} satisfies Shape<Joined>);

const notice = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('close'), why }),
  z.strictObject({ type: z.literal('mute'), media, on: z.boolean() }),
  z.strictObject({ type: z.literal('fact'), fact: z.custom<Json>(value => value !== undefined) }),
]) satisfies z.ZodType<LegNotice>;

const member = z.strictObject({
  participant: z.string(),
  display: z.string(),
  protocols: z.array(z.string()),
  muted: z.strictObject({ audio: z.boolean(), video: z.boolean() }),
  state: z.enum(['here', 'away']),
  tracks: z.array(trackInfo),
} satisfies Shape<MemberInfo>);

const roomEvent = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('roster'), members: z.array(member) }),
  z.strictObject({ type: z.literal('member'), member }),
  z.strictObject({ type: z.literal('left'), participant: z.string(), why }),
  z.strictObject({ type: z.literal('speaking'), participants: z.array(z.string()) }),
  z.strictObject({ type: z.literal('text'), from: z.string(), text: z.string() }),
]) satisfies z.ZodType<RoomEvent>;

const layout = z.enum(['speaker', 'grid']) satisfies z.ZodType<Layout>;

const start = z.strictObject({
  ssrc: z.int().positive().max(0xffffffff),
  seq: z.int(),
  pts: z.number(),
  kind: media,
  clockRate: z.number().positive(),
} satisfies Shape<FlowStart>);

const ASK = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('join'), n, room, ask }),
  z.strictObject({ t: z.literal('confirmed'), leg: id }),
  z.strictObject({ t: z.literal('absent'), leg: id, on: z.boolean() }),
  z.strictObject({ t: z.literal('leave'), leg: id, why }),
  z.strictObject({ t: z.literal('publish'), leg: id, id, track: z.strictObject(newTrack) }),
  z.strictObject({ t: z.literal('format'), id, format }),
  z.strictObject({ t: z.literal('pause'), id, on: z.boolean() }),
  z.strictObject({ t: z.literal('clock'), id, pts: z.number(), captureMs: z.number() }),
  z.strictObject({ t: z.literal('unpublish'), id }),
  z.strictObject({ t: z.literal('flow'), id, start }),
  z.strictObject({ t: z.literal('watch'), n, room }),
  z.strictObject({ t: z.literal('unwatch'), n }),
  z.strictObject({ t: z.literal('pull'), n, room, track: id }),
  z.strictObject({ t: z.literal('pull-feedback'), n, feedback }),
  z.strictObject({ t: z.literal('unpull'), n }),
  /** Nothing of this process is left in the room: no more of its events, please. */
  z.strictObject({ t: z.literal('shut'), room }),
]);

const TELL = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('joined'), n, joined }),
  z.strictObject({ t: z.literal('refused'), n, why }),
  z.strictObject({ t: z.literal('notice'), leg: id, notice }),
  z.strictObject({ t: z.literal('feedback'), id, feedback }),
  /** All tracks of the room; before `joined` of the first leg, and again should the room have been made anew. */
  z.strictObject({
    t: z.literal('snapshot'),
    room,
    tracks: z.array(trackState),
    speakers: z.array(z.string()),
    layout,
  }),
  z.strictObject({ t: z.literal('track'), room, track: trackState }),
  z.strictObject({ t: z.literal('untrack'), room, id }),
  z.strictObject({ t: z.literal('speakers'), room, participants: z.array(z.string()) }),
  z.strictObject({ t: z.literal('layout'), room, layout }),
  z.strictObject({ t: z.literal('event'), n, event: roomEvent }),
  z.strictObject({ t: z.literal('flow'), n, start }),
  /** Of the track pulled as number `n`. */
  z.strictObject({ t: z.literal('clock'), n, pts: z.number(), captureMs: z.number() }),
]);

export type Ask = z.infer<typeof ASK>;
export type Tell = z.infer<typeof TELL>;
/** As written: the types of the seam, readonly arrays and all. */
export type AskOut = Outgoing<Ask>;
export type TellOut = Outgoing<Tell>;

/** Undefined when it is not one. */
export const readAsk = (message: unknown): Ask | undefined => ASK.safeParse(message).data;
export const readTell = (message: unknown): Tell | undefined => TELL.safeParse(message).data;

/** One control message is at most this long, bytes: a snapshot of the largest room fits. */
export const MESSAGE_LIMIT = 1024 * 1024;
