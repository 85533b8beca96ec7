import type { Termination } from '../contract.ts';
import { type Core, type Millis, NEVER, type Tick } from '../kit/core.ts';

/** What a caller at the door may hear. */
export type DoorPrompt =
  | 'pin-please'
  | 'pin-wrong'
  | 'pin-too-many'
  | 'room-locked'
  | 'room-full'
  | 'welcome';

export type PinDialogueIn =
  /** The call is up: whoever called can hear. */
  | { readonly type: 'answered' }
  | { readonly type: 'digit'; readonly digit: string }
  /** The prompt that was asked for is over. */
  | { readonly type: 'played' }
  /** What came of a `try`. */
  | { readonly type: 'right' }
  | { readonly type: 'refused'; readonly why: Termination };

export type PinDialogueOut =
  | { readonly type: 'play'; readonly prompt: DoorPrompt }
  /** A key was pressed: whatever plays stops. */
  | { readonly type: 'quiet' }
  | { readonly type: 'try'; readonly pin: string }
  /** Into the room. */
  | { readonly type: 'enter' }
  | { readonly type: 'give-up'; readonly why: Termination };

/** Sound takes this long to find its way through NATs and jitter buffers once a call is up. */
const SETTLE_MS = 400;
/** After the prompt, or after the last key of an unfinished PIN. */
const PATIENCE_MS = 8000;
const MAX_DIGITS = 12;
const MAX_TRIES = 3;
/** Prompts in a row without a key. */
const MAX_SILENCES = 3;

/**
 * Asks a caller for the PIN of a room: prompt, keys, `#`. Three wrong ones, or three prompts without a key, end it.
 * `asking`: a prompt plays or keys are awaited. `trying`: the room is asked. `leaving`: the last words are played.
 */
export class PinDialogue implements Core<PinDialogueIn, PinDialogueOut> {
  #state: 'ringing' | 'asking' | 'trying' | 'welcome' | 'leaving' | 'over' = 'ringing';
  readonly #out: PinDialogueOut[] = [];
  #deadline: Millis = NEVER;
  #digits = '';
  #wrong = 0;
  #silences = 0;
  #why: Termination = { blame: 'client', reason: 'wrong-pin' };
  readonly #room: string;

  constructor(room: string) {
    this.#room = room;
  }

  get deadline(): Millis {
    return this.#deadline;
  }

  poll(): PinDialogueOut | undefined {
    return this.#out.shift();
  }

  handle(input: PinDialogueIn | Tick, now: Millis): void {
    switch (`${this.#state}/${input.type}` as const) {
      case 'ringing/answered':
        this.#state = 'asking';
        this.#deadline = now + SETTLE_MS;
        return;
      case 'asking/digit':
        return this.#key((input as { digit: string }).digit, now);
      case 'asking/played':
        this.#deadline = now + PATIENCE_MS;
        return;
      case 'asking/tick':
        if (now >= this.#deadline) this.#waited();
        return;
      case 'trying/right':
        return this.#play('welcome', 'welcome');
      case 'trying/refused':
        return this.#refused((input as { why: Termination }).why);
      case 'welcome/played':
        this.#state = 'over';
        this.#out.push({ type: 'enter' });
        return;
      case 'leaving/played':
        this.#state = 'over';
        this.#out.push({ type: 'give-up', why: this.#why });
        return;
      default: // keys while the room is asked, late prompts: of no meaning
        return;
    }
  }

  #key(digit: string, now: Millis): void {
    this.#out.push({ type: 'quiet' });
    this.#silences = 0;
    if (digit === '#') return this.#digits === '' ? this.#ask('pin-please') : this.#try();
    if (digit === '*') return this.#ask('pin-please'); // begun again
    if (/^\d$/.test(digit)) this.#digits += digit;
    if (this.#digits.length === MAX_DIGITS) return this.#try();
    this.#deadline = now + PATIENCE_MS;
  }

  /** The first prompt is due, or nothing came for a while: what there is of a PIN is tried. */
  #waited(): void {
    if (this.#digits !== '') return this.#try();
    if (this.#silences++ < MAX_SILENCES) return this.#ask('pin-please');
    this.#why = {
      blame: 'client',
      reason: 'wrong-pin',
      text: `Room ${this.#room} asked for its PIN, but no key was pressed. Check that the phone sends DTMF.`,
    };
    this.#play('pin-too-many', 'leaving');
  }

  #ask(prompt: DoorPrompt): void {
    this.#digits = '';
    this.#play(prompt, 'asking');
  }

  #try(): void {
    this.#state = 'trying';
    this.#deadline = NEVER;
    this.#out.push({ type: 'try', pin: this.#digits });
  }

  #refused(why: Termination): void {
    this.#why = why;
    if (why.reason === 'room-full' || why.reason === 'room-locked') return this.#play(why.reason, 'leaving');
    if (why.reason !== 'wrong-pin' || ++this.#wrong >= MAX_TRIES)
      return this.#play('pin-too-many', 'leaving');
    this.#ask('pin-wrong');
  }

  #play(prompt: DoorPrompt, state: 'asking' | 'welcome' | 'leaving'): void {
    this.#state = state;
    this.#deadline = NEVER;
    this.#out.push({ type: 'play', prompt });
  }
}
