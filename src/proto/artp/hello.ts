import { z } from 'zod';
import { Refusal, refuse, type Termination } from '../../kit/refusal.ts';
import { SECRET_BYTES } from './keys.ts';
import { MAX_OFFERS, type RouterOffer } from './relay/relay-routes.ts';
import { CONNECTION_BYTES } from './trailer.ts';

const ARTP_VERSION = 1;
const ADVICE = 'run the same Roombridge version on both';
/** A HELLO is short: before it, nobody may make us keep more, bytes. */
export const HELLO_LIMIT = 4096;

const connection = z
  .string()
  .regex(new RegExp(`^[0-9a-f]{${CONNECTION_BYTES * 2}}$`))
  .transform(s => Buffer.from(s, 'hex'));
const secret = z
  .base64()
  .transform(s => Buffer.from(s, 'base64'))
  .refine(b => b.length === SECRET_BYTES);
const process = z.string().min(1).max(128);
/** Of HELLO_ACK. */
export const routerOffers = z
  .array(
    z.strictObject({
      id: process,
      host: z.union([z.ipv4(), z.ipv6()]),
      port: z.int().min(1).max(65535),
      ticket: z.string().max(64),
    } satisfies Record<keyof RouterOffer, z.ZodType>),
  )
  .max(MAX_OFFERS);

const HELLO = z.strictObject({
  type: z.literal('hello'),
  version: z.literal(ARTP_VERSION),
  process,
  connection,
});
const HELLO_ACK = z.strictObject({
  type: z.literal('hello-ack'),
  version: z.literal(ARTP_VERSION),
  process,
  connection,
  secret,
  udpPort: z.int().min(1).max(65535),
  routers: routerOffers,
});
const REFUSED = z.strictObject({
  type: z.literal('refused'),
  why: z.strictObject({
    blame: z.enum(['none', 'client', 'server', 'upstream']),
    reason: z.string().max(64),
    text: z.string().max(1024),
  }),
});

/** First message of the side that opened the stream: who it is, and the connection id its datagrams shall carry. */
export interface Hello {
  readonly process: string;
  readonly connection: Uint8Array;
}
/** The answer: the same of the other side, the secret the keys come from, and where its datagrams are awaited. */
export interface HelloAck extends Hello {
  readonly secret: Uint8Array;
  readonly udpPort: number;
  /** Other ways to it, for datagrams. */
  readonly routers: readonly RouterOffer[];
}

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');

export const writeHello = (h: Hello): object => ({
  type: 'hello',
  version: ARTP_VERSION,
  process: h.process,
  connection: hex(h.connection),
});
export const writeHelloAck = (h: HelloAck): object => ({
  type: 'hello-ack',
  version: ARTP_VERSION,
  process: h.process,
  connection: hex(h.connection),
  secret: Buffer.from(h.secret).toString('base64'),
  udpPort: h.udpPort,
  routers: h.routers,
});
/** Instead of HELLO_ACK, before the stream is closed. */
export const writeRefused = ({ blame, reason, text }: Termination): object => ({
  type: 'refused',
  why: { blame, reason, text: text ?? reason },
});

/** Throws a Refusal, in words for the other side. */
export function readHello(message: unknown): Hello {
  checkVersion(message, ARTP_VERSION, ADVICE);
  const read = HELLO.safeParse(message);
  if (read.success) return read.data;
  throw refuse('client', 'bad-hello', `This HELLO is not one of aRTP ${ARTP_VERSION}: ${fault(read.error)}.`);
}

/** Throws the Refusal the other side sent, or one of ours about its answer. */
export function readHelloAck(message: unknown): HelloAck {
  const refused = REFUSED.safeParse(message);
  if (refused.success) throw new Refusal(refused.data.why);
  checkVersion(message, ARTP_VERSION, ADVICE);
  const read = HELLO_ACK.safeParse(message);
  if (read.success) return read.data;
  throw refuse(
    'server',
    'bad-hello',
    `The answer to HELLO is not one of aRTP ${ARTP_VERSION}: ${fault(read.error)}.`,
  );
}

/** Before anything else is looked at: what another version writes is its own business. `advice`: what is to be done. */
export function checkVersion(message: unknown, ours: number, advice: string): void {
  const told =
    typeof message === 'object' && message !== null && 'version' in message ? message.version : undefined;
  if (typeof told === 'number' && told !== ours)
    throw refuse(
      'client',
      'artp-version',
      `One side speaks aRTP ${ours}, the other aRTP ${told}: ${advice}.`,
    );
}

/** Names the field, never its value: it may be a secret. */
export const fault = (error: z.ZodError): string => {
  const issue = error.issues[0];
  return issue === undefined ? 'unreadable' : `${issue.path.join('.') || 'the message'} (${issue.code})`;
};
