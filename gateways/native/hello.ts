import { z } from 'zod';
import { Refusal, refuse, type Termination } from '../../src/kit/refusal.ts';
import { checkVersion, fault } from '../../src/proto/artp/hello.ts';
import { SECRET_BYTES, SUITES } from '../../src/proto/artp/keys.ts';
import { RESET_TOKEN_BYTES } from '../../src/proto/artp/session/reset.ts';
import { CONNECTION_BYTES } from '../../src/proto/artp/trailer.ts';
import { termination } from './formats.ts';
import { MEMBER_VERSION } from './protocol.ts';

/**
 * The first message of a member and its answer, JSON. They travel where TLS, a WebSocket or DTLS keeps them secret:
 * the answer carries the secret that all keys come from.
 */
export const HELLO_LIMIT = 8192;
const ADVICE = 'use the client of the same Roombridge version';

const connection = z
  .string()
  .regex(new RegExp(`^[0-9a-f]{${CONNECTION_BYTES * 2}}$`))
  .transform(s => Buffer.from(s, 'hex'));
const bytes = (length: number) =>
  z
    .base64()
    .transform(s => Buffer.from(s, 'base64'))
    .refine(b => b.length === length);
const suite = z.enum(SUITES);
const name = z.string().min(1).max(128);
const version = z.literal(MEMBER_VERSION);

const HELLO = z.strictObject({
  type: z.literal('hello'),
  version,
  room: name,
  user: name,
  display: name.exactOptional(),
  /** A room token, a PIN, or a resume secret. */
  token: z.string().min(1).max(4096).exactOptional(),
  /** What it means to do; a token may permit only one of them. Default: both. */
  roles: z
    .array(z.enum(['send', 'receive']))
    .min(1)
    .max(2)
    .exactOptional(),
  /** Id that what is sent to the member shall carry. */
  connection,
  /**
   * Random, and the same in every HELLO of one joining, whatever way each goes: the first that is let in is the member,
   * the others get the same answer.
   */
  attempt: z.string().regex(/^[0-9a-f]{32}$/),
  /** The media encryption it can, the preferred first. */
  suites: z.array(suite).min(1).max(4),
});
const HELLO_ACK = z.strictObject({
  type: z.literal('hello-ack'),
  version,
  room: name,
  participant: z.string(),
  connection,
  secret: bytes(SECRET_BYTES),
  /** What a RESET of this connection shows. */
  reset: bytes(RESET_TOKEN_BYTES),
  suite,
  udpPort: z.int().min(1).max(65535),
  /** How long the seat is kept while nothing is heard, ms. */
  keepMs: z.number().nonnegative(),
});
const REFUSED = z.strictObject({ type: z.literal('refused'), why: termination });

export type Hello = z.output<typeof HELLO>;
export type HelloAck = z.output<typeof HELLO_ACK>;

type Bytes = 'connection' | 'secret' | 'reset';
const base64 = (b: Uint8Array): string => Buffer.from(b).toString('base64');
const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

export const writeHello = (h: Omit<Hello, 'type' | 'version'>): object => ({
  ...h,
  type: 'hello',
  version: MEMBER_VERSION,
  connection: hex(h.connection),
});
export const writeHelloAck = (
  h: Omit<HelloAck, 'type' | 'version' | Bytes> & Readonly<Record<Bytes, Uint8Array>>,
): object => ({
  ...h,
  type: 'hello-ack',
  version: MEMBER_VERSION,
  connection: hex(h.connection),
  secret: base64(h.secret),
  reset: base64(h.reset),
});
/** Instead of HELLO_ACK, before the end. */
export const writeRefused = ({ blame, reason, text }: Termination): object => ({
  type: 'refused',
  why: { blame, reason, text: (text ?? reason).slice(0, 1024) },
});

/** Throws a Refusal, in words for the member. */
export function readHello(message: unknown): Hello {
  checkVersion(message, MEMBER_VERSION, ADVICE);
  const read = HELLO.safeParse(message);
  if (read.success) return read.data;
  throw refuse(
    'client',
    'bad-hello',
    `This HELLO is not one of aRTP members, version ${MEMBER_VERSION}: ${fault(read.error)}.`,
  );
}

/** Throws the Refusal the server sent, or one of ours about its answer. */
export function readHelloAck(message: unknown): HelloAck {
  const refused = REFUSED.safeParse(message);
  if (refused.success) throw new Refusal(refused.data.why as Termination);
  checkVersion(message, MEMBER_VERSION, ADVICE);
  const read = HELLO_ACK.safeParse(message);
  if (read.success) return read.data;
  throw refuse(
    'server',
    'bad-hello',
    `The answer to HELLO is not one of aRTP members, version ${MEMBER_VERSION}: ${fault(read.error)}.`,
  );
}
