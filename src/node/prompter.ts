import type { MediaPacket, Publication, Termination } from '../contract.ts';
import { type PromptLanguage, type PromptName, readPrompt } from '../io/prompts.ts';
import type { RoomPort } from '../room/port.ts';
import type { Ticker } from './ticker.ts';

/** A prompt is G.722: 160 bytes and as many ticks of an 8 kHz clock every 20 ms (RFC 3551 §4.5.2). */
const FRAME_BYTES = 160;
/** In −dBov: as loud as a person. */
const LEVEL = 20;
const LEG = 'prompter';
const DONE: Termination = { blame: 'none', reason: 'done' };

export interface PrompterOptions {
  readonly ticker: Ticker;
  /** What prompts are spoken in, one after the other. */
  readonly languages: readonly PromptLanguage[];
  /** A prompt could not be read: it counts as played. */
  readonly failed: (error: unknown) => void;
}

/** The voice of the house: a member of a room that speaks prompts. */
export class Prompter {
  readonly #o: PrompterOptions;
  readonly #room: RoomPort;
  readonly #publication: Publication;
  readonly #packet: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(), level: LEVEL };
  /** Of the prompt that plays; another one, or silence, begins a new one. */
  #turn = 0;
  #untick = (): void => {};

  static async join(room: RoomPort, options: PrompterOptions): Promise<Prompter> {
    const who = { user: 'roombridge', proof: 'token' } as const;
    await room.join({ leg: LEG, gateway: 'prompter', who, roles: ['send'] }, () => {});
    return new Prompter(room, options);
  }

  private constructor(room: RoomPort, options: PrompterOptions) {
    this.#o = options;
    this.#room = room;
    const format = { codec: 'G722', clockRate: 8000 } as const;
    const track = { source: 'prompt', format, canKeyframe: false, syncGroup: LEG } as const;
    this.#publication = room.publish(LEG, `${LEG}/0`, track, () => {});
    room.confirmed(LEG);
  }

  /** Speaks `name`, instead of what it is speaking; `played` is called at its end, unless something cuts it short. */
  play(name: PromptName, played: () => void): void {
    this.stop();
    const turn = this.#turn;
    Promise.all(this.#o.languages.map(language => readPrompt(language, name))).then(
      files => {
        if (turn === this.#turn) this.#speak(files.flatMap(frames), played);
      },
      (error: unknown) => {
        this.#o.failed(error);
        if (turn === this.#turn) played();
      },
    );
  }

  stop(): void {
    this.#turn++;
    this.#untick();
    this.#untick = () => {};
  }

  leave(): void {
    this.stop();
    this.#room.leave(LEG, DONE);
  }

  #speak(all: readonly Uint8Array[], played: () => void): void {
    const packet = this.#packet;
    packet.marker = true; // RFC 3551 §4.1: the first after a silence
    let next = 0;
    this.#untick = this.#o.ticker.add(now => {
      const frame = all[next++];
      if (frame === undefined) {
        this.stop();
        return played();
      }
      packet.payload = frame;
      this.#publication.sink(packet, now);
      packet.seq++;
      packet.pts += FRAME_BYTES;
      packet.marker = false;
    });
  }
}

function frames(file: Uint8Array): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let at = 0; at + FRAME_BYTES <= file.length; at += FRAME_BYTES)
    all.push(file.subarray(at, at + FRAME_BYTES));
  return all;
}
