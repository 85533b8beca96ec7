import { z } from 'zod';
import type { Json, Outgoing } from '../../src/contract.ts';
import { fault, routerOffers } from '../../src/proto/artp/hello.ts';
import {
  format,
  media,
  member,
  newTrack,
  published,
  roomEvent,
  termination,
  trackInfo,
  want,
} from './formats.ts';

/**
 * What a native member and its agent say to each other once the session stands: `Ask` goes to the agent, `Tell` comes
 * from it. `n` is the number of a track, 1 and up, chosen by the member: of its publications in one row, of its wants
 * in another. `id` pairs an answer with what it answers.
 */
export const MEMBER_VERSION = 1;
/** Of one member at one time. */
export const MEMBER_LIMITS = { publications: 8, wants: 64 } as const;

/** So many other agents are told. */
export const MAX_ALTERNATES = 4;

const port = z.int().min(1).max(65_535);
/** Where an agent is reached. */
const alternate = z.strictObject({ host: z.string().min(1).max(255), udpPort: port, tlsPort: port });
export type Alternate = z.infer<typeof alternate>;

const n = z.int().min(1).max(0xffff);
const id = z.int().nonnegative();
/** Extended counters of a hop. */
const pts = z.number().min(-Number.MAX_SAFE_INTEGER).max(Number.MAX_SAFE_INTEGER);

const ASK = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('publish'), n, track: newTrack }),
  /** From here on it is in another format. */
  z.strictObject({ t: z.literal('format'), n, format: published }),
  z.strictObject({ t: z.literal('pause'), n, on: z.boolean() }),
  /** Lip-sync: what has `pts` was captured at `captureMs`, on a clock that all tracks of the sync group share. */
  z.strictObject({ t: z.literal('clock'), n, pts, captureMs: z.number() }),
  z.strictObject({ t: z.literal('unpublish'), n }),
  z.strictObject({ t: z.literal('want'), n, want }),
  z.strictObject({ t: z.literal('update'), n, want }),
  z.strictObject({ t: z.literal('unwant'), n }),
  z.strictObject({ t: z.literal('mute'), id, media, on: z.boolean() }),
  z.strictObject({ t: z.literal('text'), id, text: z.string().min(1) }),
]);

const TELL = z.discriminatedUnion('t', [
  /** From here on the track wanted as `n` carries this. */
  z.strictObject({ t: z.literal('serving'), n, track: trackInfo.exactOptional(), format, how: z.string() }),
  z.strictObject({ t: z.literal('idle'), n }),
  z.strictObject({ t: z.literal('unserved'), n, why: termination }),
  z.strictObject({ t: z.literal('lacking'), n, why: termination }),
  /** Lip-sync: when what has `pts` is to be heard or seen, ms on one clock for all that this member wants. */
  z.strictObject({ t: z.literal('clock'), n, pts, atMs: z.number() }),
  /** What came of a published track here, after repairs; about once a second. */
  z.strictObject({ t: z.literal('heard'), n, packets: z.number(), lost: z.number(), jitterMs: z.number() }),
  /** Who is there; while `more` is true the rest follows. */
  z.strictObject({ t: z.literal('roster'), members: z.array(member), more: z.boolean() }),
  z.strictObject({ t: z.literal('event'), event: roomEvent }),
  /** By an admin, or by itself. */
  z.strictObject({ t: z.literal('muted'), media, on: z.boolean() }),
  z.strictObject({ t: z.literal('fact'), fact: z.custom<Json>(value => value !== undefined) }),
  z.strictObject({ t: z.literal('done'), id }),
  z.strictObject({
    t: z.literal('refused'),
    of: z.string(),
    n: n.exactOptional(),
    id: id.exactOptional(),
    why: termination,
  }),
  /**
   * What brings the member back through another agent, and the others there are; routers between it and this one. Anew
   * now and then: the newest counts.
   */
  z.strictObject({
    t: z.literal('ways'),
    ticket: z.base64().exactOptional(),
    alternates: z.array(alternate).max(MAX_ALTERNATES),
    routers: routerOffers,
  }),
  /** This agent is being emptied: the member is to come back through another one, while this one still serves it. */
  z.strictObject({ t: z.literal('move') }),
]);

export type Ask = z.infer<typeof ASK>;
export type Tell = z.infer<typeof TELL>;
/** As written: the types of the seam, readonly arrays and all. */
export type AskOut = Outgoing<Ask>;
export type TellOut = Outgoing<Tell>;
export type Ways = Extract<TellOut, { t: 'ways' }>;

/** Reads a message; undefined when it is not one, `why` names the field and never its value. */
export function readAsk(message: unknown): Ask | { readonly t: 'junk'; readonly why: string } {
  const read = ASK.safeParse(message);
  return read.success ? read.data : { t: 'junk', why: fault(read.error) };
}
/** Where the others of this gateway say that they are; one of another version may say it in another way. */
export const readAlternates = (reaches: readonly Json[]): Alternate[] =>
  reaches.flatMap(reach => alternate.safeParse(reach).data ?? []).slice(0, MAX_ALTERNATES);
export const readTell = (message: unknown): Tell | undefined => TELL.safeParse(message).data;
