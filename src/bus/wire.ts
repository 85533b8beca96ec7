import type { Json } from '../contract.ts';
import { Refusal, refuse, type Termination } from '../kit/refusal.ts';

/** What answers a request, as JSON: `{"ok": …}` or `{"refused": {blame, reason, text?}}`. */
export type Reply = { readonly ok: Json } | { readonly refused: Termination };

/**
 * JSON text of `data`; throws the Refusal `too-large`. Both buses go through it, so that what does not survive JSON
 * never works by accident in one process.
 */
export function encode(data: Json | Reply, limitBytes: number, subject: string): string {
  const text = JSON.stringify(data ?? null);
  const bytes = Buffer.byteLength(text);
  if (bytes <= limitBytes) return text;
  throw refuse(
    'server',
    'too-large',
    `A message of ${bytes} bytes for ${subject} is over the bus's limit of ${limitBytes}: send less at once.`,
  );
}

/** Undefined when `text` is not JSON. */
export function decode(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const BLAMES: readonly string[] = ['none', 'client', 'server', 'upstream'] satisfies Termination['blame'][];

/** The answer inside a reply; throws the Refusal it carries, or `bad-reply` when it is not a reply at all. */
export function answerOf(reply: Json | undefined, subject: string): Json {
  if (isObject(reply)) {
    if (reply['ok'] !== undefined) return reply['ok'];
    const why = reply['refused'];
    if (isObject(why)) {
      const { blame, reason, text } = why;
      if (typeof blame === 'string' && BLAMES.includes(blame) && typeof reason === 'string')
        throw new Refusal({
          blame: blame as Termination['blame'],
          reason,
          ...(typeof text === 'string' && { text }),
        });
    }
  }
  throw refuse('server', 'bad-reply', `What answered on ${subject} does not speak this bus's replies.`);
}

const isObject = (v: Json | undefined): v is { readonly [key: string]: Json | undefined } =>
  typeof v === 'object' && v !== null && !Array.isArray(v);

export const closedRefusal = (): Refusal =>
  refuse('server', 'bus-closed', 'This process is closing and asks nothing more of the others.');
export const downRefusal = (): Refusal =>
  refuse('server', 'bus-down', 'The bus between the processes is down; it is being reconnected, try again.');
export const busyRefusal = (limit: number): Refusal =>
  refuse(
    'server',
    'busy',
    `${limit} requests are being served at once, which is the limit; try again later.`,
  );
export const noResponderRefusal = (subject: string): Refusal =>
  refuse(
    'server',
    'no-responder',
    `No process serves ${subject} now; check that one with that role is running.`,
  );
export const timeoutRefusal = (subject: string, timeoutMs: number): Refusal =>
  refuse(
    'server',
    'timeout',
    `Nothing answered on ${subject} within ${timeoutMs} ms: its process may just have died; ask again in a moment.`,
  );
