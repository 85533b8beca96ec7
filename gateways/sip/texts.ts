import type { LegCommand, LegEvent, Millis, Termination } from '../../src/contract.ts';
import { RateLimit } from '../../src/kit/limits.ts';
import { textFault } from '../../src/kit/text.ts';
import { warning } from '../../src/proto/sip/inspect.ts';
import { lists, type SipMessage } from '../../src/proto/sip/message.ts';
import type { OnCall } from '../../src/proto/sip/signalling.ts';
import { type HeaderLine, reasonPhrase } from '../../src/proto/sip/write.ts';
import { BETWEEN_AGENTS } from './call-ends.ts';

/**
 * RFC 3428 §8, RFC 3261 §18.1.1: a request on a path without congestion control has 1300 bytes at most. What stands
 * above the text takes 500 to 900, with the routes of proxies; this much is left for the text. baresip shows nothing of
 * one beyond 511 with the name of its sender.
 */
const DATAGRAM_BYTES = 400;
/** Texts that wait for the answers to those before them; the oldest is given up for a newer one. */
const MAX_WAITING = 20;
/** What one phone may write. */
const TEXTS_PER_SECOND = 2;
const TEXTS_AT_ONCE = 20;
const RETRY_AFTER_S = 5;

/** Answers by which a peer says that it will never take a text: no such method, no such type, no such dialog; or no answer at all. */
const NEVER_TAKEN: ReadonlySet<number> = new Set([405, 408, 415, 481, 501]);

export type TextsOut =
  | { readonly type: 'message'; readonly content: string }
  | {
      readonly type: 'answer-message';
      readonly id: number;
      readonly status: number;
      readonly reason?: string;
      readonly headers?: readonly HeaderLine[];
    }
  /** `note`: for the ladder. */
  | { readonly type: 'text-lost'; readonly reason: 'full' | 'refused' | 'not-shown'; readonly note?: string };

type Tell = (out: TextsOut | { readonly type: 'leg'; readonly command: LegCommand }) => void;
type Input =
  | { readonly type: 'sip'; readonly event: Parameters<OnCall>[0] }
  | { readonly type: 'leg'; readonly event: LegEvent };

/** What is written in the room and at the phone, within one call: one MESSAGE at a time each way. Sans-I/O. */
export class Texts {
  readonly #do: Tell;
  readonly #limit = new RateLimit(TEXTS_PER_SECOND, TEXTS_AT_ONCE);
  readonly #partBytes: number;
  #shows: boolean;
  #waiting: { readonly from: string; readonly text: string }[] = [];
  /** Of the text that is being sent. */
  #parts: string[] = [];
  #busy = false;

  /** `peer`: the INVITE of the phone or its 200 to ours, whose Allow says what it can show. */
  constructor(peer: SipMessage | undefined, tell: Tell) {
    this.#do = tell;
    this.#shows = peer !== undefined && lists(peer.headers, 'allow', 'message');
    this.#partBytes = peer?.via.transport === 'UDP' ? DATAGRAM_BYTES : Number.POSITIVE_INFINITY;
  }

  /** There is a leg that can be asked for what is written. */
  begin(): void {
    if (this.#shows) this.#tell({ type: 'texts', on: true });
  }

  /** False: the input is about something else. `moving`: there is no leg just now. */
  handle(input: Input, moving: boolean, now: Millis): boolean {
    const e = input.event;
    switch (e.type) {
      case 'text':
        this.#toPeer(e.from, e.text);
        return true;
      case 'said':
        this.#said(e.id, e.why);
        return true;
      case 'message':
        this.#fromPeer(e.id, e.text, moving, now);
        return true;
      case 'messaged':
        this.#answered(e.status);
        return true;
      default:
        return false;
    }
  }

  // ---------------------------------------------------------------- to the phone

  #toPeer(from: string, text: string): void {
    if (!this.#shows) return;
    if (this.#waiting.length >= MAX_WAITING) {
      this.#waiting.shift();
      this.#do({ type: 'text-lost', reason: 'full' });
    }
    this.#waiting.push({ from, text });
    this.#next();
  }

  #next(): void {
    if (this.#busy) return;
    if (this.#parts.length === 0) {
      const text = this.#waiting.shift();
      if (text === undefined) return;
      this.#parts = textParts(text.from, text.text, this.#partBytes);
    }
    this.#busy = true;
    this.#do({ type: 'message', content: this.#parts.shift() as string });
  }

  #answered(status: number): void {
    this.#busy = false;
    if (NEVER_TAKEN.has(status)) return this.#giveUp(status);
    if (status >= 300) this.#do({ type: 'text-lost', reason: 'refused' });
    this.#next();
  }

  #giveUp(status: number): void {
    this.#shows = false;
    this.#parts = [];
    this.#waiting = [];
    const answer = status === 408 ? 'did not answer' : `said ${status} ${reasonPhrase(status)} to`;
    const note = `texts of the room are not sent to this phone any more: it ${answer} a MESSAGE`;
    this.#do({ type: 'text-lost', reason: 'not-shown', note });
    this.#tell({ type: 'texts', on: false });
  }

  // ---------------------------------------------------------------- from the phone

  #fromPeer(id: number, text: string, moving: boolean, now: Millis): void {
    const fault = textFault(text);
    // RFC 3261 §21.4.11: it is the body that is too large, and no later try will change that. 513 (§21.5.7) is about a
    // message that is more than the server can handle at all.
    if (fault !== undefined) return this.#refuse(id, 413, fault);
    // Not 429, which asks for a Referred-By (RFC 3892 §5), nor 503, after which a phone may say nothing to us for a
    // while, not even BYE (RFC 3261 §21.5.4): 500 with Retry-After is about this one request (RFC 5057 §5.1).
    if (!this.#limit.take(now)) return this.#refuse(id, 500, TOO_MANY, RETRY_AFTER_S);
    if (moving) return this.#refuse(id, 500, BETWEEN_AGENTS.text as string, RETRY_AFTER_S);
    this.#tell({ type: 'say', id, text });
  }

  #said(id: number, why: Termination | undefined): void {
    if (why === undefined) return this.#do({ type: 'answer-message', id, status: 200 });
    const words = why.text ?? why.reason;
    // Others would end the dialog (404, 480; RFC 5057 §5.1), and the call has done nothing wrong.
    if (why.blame === 'client') return this.#refuse(id, 403, words);
    this.#refuse(id, 500, words, RETRY_AFTER_S);
  }

  #refuse(id: number, status: number, words: string, retryAfterS?: number): void {
    const headers: HeaderLine[] = [...warning(words)];
    if (retryAfterS !== undefined) headers.push(['Retry-After', String(retryAfterS)]);
    this.#do({ type: 'answer-message', id, status, headers });
  }

  #tell(command: LegCommand): void {
    this.#do({ type: 'leg', command });
  }
}

const TOO_MANY = `These are too many texts: ${TEXTS_PER_SECOND} a second are passed on.`;

/**
 * `alice: hello`; longer than `maxBytes` of UTF-8: `alice (1/2): hel`, `alice (2/2): lo`, cut between characters.
 */
export function textParts(from: string, text: string, maxBytes: number): string[] {
  const whole = `${from}: ${text}`;
  if (Buffer.byteLength(whole) <= maxBytes) return [whole];
  const room = Math.max(4, maxBytes - Buffer.byteLength(`${from} (999/999): `));
  const parts: string[] = [];
  let part = '';
  let bytes = 0;
  for (const character of text) {
    const more = Buffer.byteLength(character);
    if (bytes + more > room) {
      parts.push(part);
      part = '';
      bytes = 0;
    }
    part += character;
    bytes += more;
  }
  parts.push(part);
  return parts.map((p, i) => `${from} (${i + 1}/${parts.length}): ${p}`);
}
