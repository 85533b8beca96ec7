import { randomUUID } from 'node:crypto';
import type { Clock, LegEvent, Log, Seat } from '../contract.ts';
import { type Drive, drive } from '../io/drive.ts';
import type { PromptLanguage } from '../io/prompts.ts';
import { Refusal, terminationOf } from '../kit/refusal.ts';
import { Bans } from '../room/bans.ts';
import { PinDialogue, type PinDialogueIn, type PinDialogueOut } from '../room/pin-dialogue.ts';
import type { LegNotice, NumberedRequest } from '../room/port.ts';
import { LocalRoom } from './local-room.ts';
import { MovableSeat } from './movable-seat.ts';
import { Prompter } from './prompter.ts';
import { type Seated, Seats } from './seats.ts';
import type { Ticker } from './ticker.ts';

export interface LobbyOptions {
  readonly clock: Clock;
  readonly ticker: Ticker;
  readonly log: Log;
  /** Seats in the rooms themselves. */
  readonly seats: Pick<Seats, 'take'>;
  readonly languages: readonly PromptLanguage[];
}

/** A seat at the table, or one in the lobby, which listens for keys. */
export interface SeatedOrWaiting extends Seated {
  /** What the leg said. */
  hear?(event: LegEvent): void;
}

/**
 * Callers without the PIN of a room wait in a room of their own, where a voice asks for it. With it they are taken to
 * the room they called; to their leg nothing has changed.
 */
export class Lobby {
  readonly #o: LobbyOptions;
  readonly #seats: Seats;
  readonly #rooms = new Map<string, LocalRoom>();

  constructor(options: LobbyOptions) {
    this.#o = options;
    const { clock, ticker, log } = options;
    const find = async (id: string): Promise<LocalRoom> => this.#rooms.get(id) ?? this.#build(id);
    this.#seats = new Seats({ clock, ticker, log, count: () => {}, find });
  }

  /** Callers in the lobby now. */
  get size(): number {
    return this.#rooms.size;
  }

  /**
   * As `Seats.take`, but a caller who can be talked to is not turned away for want of a PIN; `entered` is told the resume
   * secret of the room when it is in.
   */
  async take(
    request: NumberedRequest,
    on: (n: LegNotice) => void,
    entered: (secret: string) => void = () => {},
  ): Promise<SeatedOrWaiting> {
    try {
      return await this.#o.seats.take(request, on);
    } catch (error) {
      if (!request.prompts || !(error instanceof Refusal) || error.why.reason !== 'wrong-pin') throw error;
    }
    const id = `lobby-${randomUUID()}`;
    const { ticker, languages, log, clock } = this.#o;
    const failed = (error: unknown): void => log.error({ err: error }, 'a prompt cannot be read');
    const voice = await Prompter.join(this.#build(id), { ticker, languages, failed });
    const { seat, secret } = await this.#seats.take({ ...request, room: id }, on);
    const enter = (pin: string): Promise<Seated> =>
      this.#o.seats.take({ ...request, who: { ...request.who, credential: pin } }, on);
    const waiting = new Waiting(request.room, seat, voice, clock, enter, on, entered);
    return { seat: waiting.seat, secret, hear: event => waiting.hear(event) };
  }

  #build(id: string): LocalRoom {
    const room = new LocalRoom({
      id,
      settings: { maxParticipants: 2, locked: false, layout: 'speaker' }, // the caller and the voice
      times: { sessionKeepMs: 0, banMs: 0 },
      bans: new Bans(),
      clock: this.#o.clock,
      secret: randomUUID,
      onEnded: () => this.#rooms.delete(id),
      onEvent: () => {},
    });
    this.#rooms.set(id, room);
    return room;
  }
}

/** One caller in the lobby. */
class Waiting {
  readonly seat: MovableSeat;
  readonly #voice: Prompter;
  readonly #dialogue: Drive<PinDialogueIn>;
  readonly #enter: (pin: string) => Promise<Seated>;
  readonly #on: (n: LegNotice) => void;
  readonly #entered: (secret: string) => void;
  /** The place in the room, once the PIN was right. */
  #inside: Seat | undefined;
  #gone = false;

  constructor(
    room: string,
    seat: Seat,
    voice: Prompter,
    clock: Clock,
    enter: (pin: string) => Promise<Seated>,
    on: (n: LegNotice) => void,
    entered: (secret: string) => void,
  ) {
    this.#voice = voice;
    this.#entered = entered;
    this.#enter = enter;
    this.#on = on;
    this.#dialogue = drive(new PinDialogue(room), clock, out => this.#act(out));
    this.seat = new MovableSeat(seat, {
      confirmed: () => this.#dialogue.feed({ type: 'answered' }),
      left: why => {
        this.#end();
        this.#inside?.leave(why);
      },
    });
  }

  hear(event: LegEvent): void {
    if (event.type === 'dtmf') this.#dialogue.feed({ type: 'digit', digit: event.digit });
  }

  #act(out: PinDialogueOut): void {
    switch (out.type) {
      case 'play':
        return this.#voice.play(out.prompt, () => this.#dialogue.feed({ type: 'played' }));
      case 'quiet':
        return this.#voice.stop();
      case 'try':
        return this.#try(out.pin);
      case 'enter':
        this.#end();
        if (this.#inside !== undefined) this.seat.moveTo(this.#inside);
        return;
      case 'give-up':
        return this.#on({ type: 'close', why: out.why });
    }
  }

  #try(pin: string): void {
    this.#enter(pin).then(
      ({ seat, secret }) => {
        if (this.#gone) return seat.leave({ blame: 'none', reason: 'hung-up' }); // while the room was asked
        this.#inside = seat;
        this.#entered(secret);
        this.#dialogue.feed({ type: 'right' });
      },
      (error: unknown) => this.#dialogue.feed({ type: 'refused', why: terminationOf(error) }),
    );
  }

  #end(): void {
    this.#gone = true;
    this.#dialogue.stop();
    this.#voice.leave();
  }
}
