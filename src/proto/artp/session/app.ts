import { z } from 'zod';
import type { Termination } from '../../../contract.ts';
import type { Rtcp } from '../../rtp/rtcp.ts';

/**
 * Control of a session: RTCP APP packets (RFC 3550 §6.7), name `aRTP`, sealed as SRTCP.
 * ```
 * |V=2|P=0| subtype |  PT = APP = 204   |  length in words − 1  |
 * |       SSRC: epoch 8 | 3 | 0                                 |
 * |                          'aRTP'                             |
 * 5 PATH_CHALLENGE, 6 PATH_RESPONSE
 * | token, 8 bytes …                                            |
 * | path of the sender (1) | flags (1): 1 known, 2 preferred    |
 * 9 CLOSE
 * | 0 close, 1 acknowledged (1) | 0 | bytes (2) | why, JSON …   |
 * 11 MESSAGE
 * | fragment number (4)                                         |
 * | flags (1): 1 first, 2 last, 4 flow | 0 | bytes (2) | … |   flow: the session's own word on a flow of media
 * 12 MESSAGE_ACK
 * | first fragment not here yet (4) | bits: +1, +2 … are (16)   |
 * ```
 * 3 RESUME, 4 RESUME_ACK (resume.ts) and 10 RESET (reset.ts) travel without a session. 7 and 8 are free: what paths
 * lose is told in XR and transport-wide feedback, and policies need not be told, each packet says what is in it.
 */
export type Control =
  | {
      readonly type: 'challenge' | 'response';
      readonly token: Uint8Array;
      readonly path: number;
      /** The sender looks us up by this address: the connection id may be left out. */
      readonly known: boolean;
      /** The sender sends its media here. */
      readonly preferred: boolean;
    }
  | { readonly type: 'close'; readonly why: Termination }
  | { readonly type: 'closed' }
  | {
      readonly type: 'fragment';
      readonly number: number;
      readonly first: boolean;
      readonly last: boolean;
      /** The announcement of a flow, not a message of who uses the session. */
      readonly flow: boolean;
      readonly data: Uint8Array;
    }
  | { readonly type: 'ack'; readonly next: number; readonly bits: Uint8Array };

export const TOKEN_BYTES = 8;
export const ACK_BITS_BYTES = 16;
export const APP_NAME = 'aRTP';
export const SUBTYPE = {
  resume: 3,
  resumeAck: 4,
  challenge: 5,
  response: 6,
  close: 9,
  reset: 10,
  fragment: 11,
  ack: 12,
} as const;

const KNOWN = 1;
const PREFERRED = 2;
const FIRST = 1;
const LAST = 2;
const FLOW = 4;
/** A reason in words stays in one packet. */
const MAX_WHY_BYTES = 900;

/** The APP packet of `c`. */
export function writeControl(c: Control, ssrc: number): Rtcp {
  const app = (subtype: number, data: Uint8Array): Rtcp => ({
    type: 'app',
    ssrc,
    subtype,
    name: APP_NAME,
    data,
  });
  switch (c.type) {
    case 'challenge':
    case 'response': {
      const flags = (c.known ? KNOWN : 0) | (c.preferred ? PREFERRED : 0);
      return app(SUBTYPE[c.type], Buffer.concat([c.token, Buffer.of(c.path, flags, 0, 0)]));
    }
    case 'close':
      return app(SUBTYPE.close, counted(0, writeWhy(c.why)));
    case 'closed':
      return app(SUBTYPE.close, counted(1, new Uint8Array(0)));
    case 'fragment': {
      const number = Buffer.alloc(4);
      number.writeUInt32BE(c.number);
      const flags = (c.first ? FIRST : 0) | (c.last ? LAST : 0) | (c.flow ? FLOW : 0);
      return app(SUBTYPE.fragment, Buffer.concat([number, counted(flags, c.data)]));
    }
    case 'ack': {
      const next = Buffer.alloc(4);
      next.writeUInt32BE(c.next);
      return app(SUBTYPE.ack, Buffer.concat([next, c.bits]));
    }
  }
}

/** Undefined: not one of ours, or not well-formed. Never throws. */
export function readControl(app: Extract<Rtcp, { type: 'app' }>): Control | undefined {
  const b = Buffer.from(app.data.buffer, app.data.byteOffset, app.data.length);
  if (app.name !== APP_NAME) return undefined;
  switch (app.subtype) {
    case SUBTYPE.challenge:
    case SUBTYPE.response: {
      if (b.length !== TOKEN_BYTES + 4) return undefined;
      const flags = b[9] as number;
      return {
        type: app.subtype === SUBTYPE.challenge ? 'challenge' : 'response',
        token: b.subarray(0, TOKEN_BYTES),
        path: b[8] as number,
        known: (flags & KNOWN) !== 0,
        preferred: (flags & PREFERRED) !== 0,
      };
    }
    case SUBTYPE.close: {
      const why = uncounted(b);
      if (why === undefined) return undefined;
      return b[0] === 1 ? { type: 'closed' } : { type: 'close', why: readWhy(why) };
    }
    case SUBTYPE.fragment: {
      const data = b.length < 8 ? undefined : uncounted(b.subarray(4));
      if (data === undefined) return undefined;
      const flags = b[4] as number;
      const [first, last, flow] = [(flags & FIRST) !== 0, (flags & LAST) !== 0, (flags & FLOW) !== 0];
      return { type: 'fragment', number: b.readUInt32BE(0), first, last, flow, data };
    }
    case SUBTYPE.ack:
      if (b.length !== 4 + ACK_BITS_BYTES) return undefined;
      return { type: 'ack', next: b.readUInt32BE(0), bits: b.subarray(4) };
    default:
      return undefined;
  }
}

/** `first` byte, a zero, the length, the bytes: RTCP counts whole words only. */
function counted(first: number, data: Uint8Array): Buffer {
  const head = Buffer.of(first, 0, data.length >> 8, data.length & 255);
  return Buffer.concat([head, data]);
}
function uncounted(b: Buffer): Buffer | undefined {
  if (b.length < 4) return undefined;
  const end = 4 + b.readUInt16BE(2);
  return end <= b.length ? b.subarray(4, end) : undefined;
}

function writeWhy({ blame, reason, text }: Termination): Buffer {
  const short = { blame, reason: reason.slice(0, 64), ...(text === undefined ? {} : { text }) };
  const whole = Buffer.from(JSON.stringify(short));
  return whole.length <= MAX_WHY_BYTES
    ? whole
    : Buffer.from(JSON.stringify({ ...short, text: text?.slice(0, 200) }));
}

const WHY = z.object({
  blame: z.enum(['none', 'client', 'server', 'upstream']).catch('none'),
  reason: z.string().min(1).max(64).catch('closed'),
  text: z.string().min(1).max(1024).catch('The other side closed the aRTP session.'),
});

/** Whatever is written there, it ends. */
function readWhy(bytes: Buffer): Termination {
  let said: unknown;
  try {
    said = JSON.parse(bytes.toString('utf8'));
  } catch {
    said = {};
  }
  const read = WHY.safeParse(said);
  return read.success ? read.data : WHY.parse({});
}
