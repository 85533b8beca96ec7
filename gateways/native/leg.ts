import type {
  Host,
  Leg,
  LegCommand,
  LegDrill,
  LegEvent,
  LegRequest,
  NewTrack,
  RoomEvent,
  Seat,
  StreamStats,
  Termination,
} from '../../src/contract.ts';
import { RateLimit } from '../../src/kit/limits.ts';
import { Refusal, refuse, terminationOf } from '../../src/kit/refusal.ts';
import { checkText } from '../../src/kit/text.ts';
import { readWant } from './formats.ts';
import { type Ask, MEMBER_LIMITS, readAsk, type TellOut, type Ways } from './protocol.ts';
import { Publishing } from './publishing.ts';
import { rosterParts } from './roster.ts';
import type { Running } from './running.ts';
import { RENEW_MS } from './tickets.ts';
import { Wanting } from './wanting.ts';

/** How often the member hears what came of its tracks. */
const HEARD_MS = 1000;
/** What a member may ask for again and again has no end otherwise. */
const MAX_REFUSED = 1000;
/** Of what a member asks, a second and at once: after a return all its tracks are asked for anew. */
const ASKS_PER_SECOND = 50;
const MOST_ASKS = 256;
/** Of its texts: everybody in the room gets each. */
const TEXTS_PER_SECOND = 10;
const MOST_TEXTS = 50;

const NO_OFFERS: Termination = {
  blame: 'client',
  reason: 'no-renegotiation',
  text: 'A native member has no offers: it publishes and wants tracks one by one.',
};

/** What a leg has once its member's session stands. */
export interface Standing {
  readonly running: Running;
  /** Its datagrams, for a drill. */
  readonly impair: (d: LegDrill | null) => void;
  /** What the member needs to find another way here, or to come back, as of now. */
  readonly ways: () => Ways;
}

/** A native member's place in its room: what it asks, and what it is told. */
export class NativeLeg implements Leg {
  readonly seat: Seat;
  readonly #host: Host;
  readonly #request: LegRequest;
  readonly #emit: (e: LegEvent) => void;
  readonly #ended: (why: Termination) => void;
  readonly #published = new Map<number, Publishing>();
  readonly #wanted = new Map<number, Wanting>();
  readonly #muted = { audio: false, video: false };
  #standing: Standing | undefined;
  #drill: LegDrill | null = null;
  #stopWatching: () => void = () => {};
  #refused = 0;
  readonly #asks = new RateLimit(ASKS_PER_SECOND, MOST_ASKS);
  readonly #texts = new RateLimit(TEXTS_PER_SECOND, MOST_TEXTS);
  #disarm: (() => void) | undefined;
  #disarmWays: () => void = () => {};
  #closed: Termination | undefined;

  /** `ended` is called once, after `closed` was emitted. */
  constructor(
    host: Host,
    request: LegRequest,
    seat: Seat,
    emit: (e: LegEvent) => void,
    ended: (why: Termination) => void,
  ) {
    this.#host = host;
    this.#request = request;
    this.seat = seat;
    this.#emit = emit;
    this.#ended = ended;
  }

  /** Why it has ended, once it has. */
  get over(): Termination | undefined {
    return this.#closed;
  }

  /** The session stands: the member hears who is there. */
  begin(standing: Standing): void {
    if (this.#closed !== undefined) return;
    this.#standing = standing;
    if (this.#drill !== null) standing.impair(this.#drill);
    this.#sayWays();
    this.#stopWatching = this.seat.watch(e => this.#watched(e));
    this.#emit({ type: 'media', state: 'up' });
  }

  /** The member's network is gone for now, or back. */
  absent(on: boolean): void {
    if (this.#closed !== undefined) return;
    this.seat.absent(on);
    this.#emit({ type: 'media', state: on ? 'silent' : 'up' });
    this.note(on ? 'nothing is heard: away' : 'heard again');
  }

  /** A message of the member. */
  message(message: unknown): void {
    if (this.#closed !== undefined) return;
    const ask = readAsk(message);
    if (ask.t === 'junk')
      return this.#refuse(
        'message',
        refuse('client', 'bad-message', `This message is not understood: ${ask.why}.`),
      );
    try {
      this.#slow(ask);
      this.#ask(ask);
    } catch (error) {
      this.#refuse(ask.t, error, ask);
    }
  }

  /** There are other agents than it was told of. */
  tellWays(): void {
    this.#sayWays();
  }

  /** Its agent is being emptied: the member is asked to go on by another one. */
  move(): void {
    this.#sayWays();
    this.#tell({ t: 'move' });
    this.note('asked to move to another agent');
  }

  handle(c: LegCommand): void {
    if (this.#closed !== undefined) return;
    switch (c.type) {
      case 'offer':
      case 'make-offer':
        return this.#emit({ type: 'refused', id: c.id, why: NO_OFFERS });
      case 'mute':
        this.#muted[c.media] = c.on;
        return this.#tell({ t: 'muted', media: c.media, on: c.on });
      case 'fact':
        return this.#tell({ t: 'fact', fact: c.fact });
      case 'close':
        return this.close(c.why);
      default: // the rest means nothing here
    }
  }

  drill(d: LegDrill | null): void {
    this.#drill = d;
    this.#standing?.impair(d);
  }

  stats(): readonly StreamStats[] {
    return [
      ...[...this.#published.values()].map(p => p.stats()),
      ...[...this.#wanted.values()].flatMap(w => w.stats()),
    ];
  }

  note(summary: string): void {
    this.#host.ladder(this.#request.leg, { at: Date.now(), dir: 'note', transport: 'artp', summary });
  }

  /** Idempotent. */
  close(why: Termination): void {
    if (this.#closed !== undefined) return;
    this.#closed = why;
    this.#stopWatching();
    this.#disarm?.();
    this.#disarmWays();
    for (const p of this.#published.values()) p.close();
    for (const w of this.#wanted.values()) w.close();
    this.#published.clear();
    this.#wanted.clear();
    this.note(`closed: ${why.text ?? why.reason}`);
    this.#emit({ type: 'closed', why });
    this.#ended(why);
  }

  #slow({ t }: Ask): void {
    const now = this.#host.clock.now();
    if (!this.#asks.take(now) || (t === 'text' && !this.#texts.take(now)))
      throw refuse('client', 'too-many-messages', 'This member says too much at once: go on in a second.');
  }

  #ask(ask: Ask): void {
    switch (ask.t) {
      case 'publish':
        return this.#publish(ask.n, ask.track);
      case 'format':
        if (!this.#own(ask.n).format(ask.format))
          throw refuse('client', 'bad-message', 'A track stays sound, or a picture: publish another one.');
        return;
      case 'pause':
        return this.#own(ask.n).pause(ask.on);
      case 'clock':
        return this.#own(ask.n).clock(ask.pts, ask.captureMs);
      case 'unpublish':
        this.#own(ask.n).close();
        return void this.#published.delete(ask.n);
      case 'want':
        return this.#want(ask);
      case 'update':
        return this.#theirs(ask.n).update(readWant(ask.want));
      case 'unwant':
        this.#theirs(ask.n).close();
        return void this.#wanted.delete(ask.n);
      case 'mute':
      case 'text':
        return void this.#act(ask);
    }
  }

  #publish(n: number, track: NewTrack): void {
    const running = this.#standing?.running;
    if (running === undefined) return;
    this.#permit('send', 'publish');
    if (this.#published.has(n)) throw refuse('client', 'bad-message', `Track ${n} is published already.`);
    if (this.#published.size >= MEMBER_LIMITS.publications)
      throw refuse(
        'client',
        'too-many-tracks',
        `A member publishes ${MEMBER_LIMITS.publications} tracks at most; end one first.`,
      );
    const publishing = new Publishing(n, track, {
      seat: this.seat,
      running,
      count: reason => this.#host.count('dropped', reason),
      note: text => this.note(`${track.source}: ${text}`),
      muted: media => this.#muted[media],
    });
    this.#published.set(n, publishing);
    this.#report();
    this.note(`publishes its ${track.source} in ${track.format.codec}`);
  }

  /** Now, and again while the member is here. */
  #sayWays(): void {
    const { clock } = this.#host;
    if (this.#closed !== undefined || this.#standing === undefined) return;
    this.#tell(this.#standing.ways());
    this.#disarmWays();
    this.#disarmWays = clock.at(clock.now() + RENEW_MS, () => this.#sayWays());
  }

  /** While something is published. */
  #report(): void {
    const { clock } = this.#host;
    this.#disarm ??= clock.at(clock.now() + HEARD_MS, () => {
      this.#disarm = undefined;
      for (const [n, p] of this.#published) this.#tell({ t: 'heard', n, ...p.heard() });
      if (this.#published.size > 0) this.#report();
    });
  }

  #want({ n, want }: Extract<Ask, { t: 'want' }>): void {
    const running = this.#standing?.running;
    if (running === undefined) return;
    this.#permit('receive', 'hear and see others');
    if (this.#wanted.has(n)) throw refuse('client', 'bad-message', `Something is wanted as ${n} already.`);
    if (this.#wanted.size >= MEMBER_LIMITS.wants)
      throw refuse(
        'client',
        'too-many-tracks',
        `A member wants ${MEMBER_LIMITS.wants} tracks at most; end one first.`,
      );
    const tell = (t: TellOut): void => this.#tell(t);
    this.#wanted.set(n, new Wanting(n, readWant(want), { seat: this.seat, running, tell }));
  }

  #permit(role: 'send' | 'receive', what: string): void {
    if (!this.#request.roles.includes(role))
      throw refuse('client', 'not-permitted', `This member did not join to ${what} (roles of its HELLO).`);
  }

  #own(n: number): Publishing {
    const publishing = this.#published.get(n);
    if (publishing === undefined) throw refuse('client', 'bad-message', `There is no published track ${n}.`);
    return publishing;
  }
  #theirs(n: number): Wanting {
    const wanting = this.#wanted.get(n);
    if (wanting === undefined) throw refuse('client', 'bad-message', `Nothing is wanted as ${n}.`);
    return wanting;
  }

  /** What the room decides on. Never rejects. */
  async #act(ask: Extract<Ask, { t: 'mute' | 'text' }>): Promise<void> {
    const { room, participant } = this.seat;
    try {
      if (ask.t === 'text') {
        checkText(ask.text);
        await this.#host.room.text(room, participant, ask.text);
      } else await this.#host.room.mute(room, participant, ask.media, ask.on);
      this.#tell({ t: 'done', id: ask.id });
    } catch (error) {
      this.#refuse(ask.t, error, ask);
    }
  }

  #refuse(of: string, error: unknown, ask: { n?: number; id?: number } = {}): void {
    if (!(error instanceof Refusal))
      this.#host.log.error({ leg: this.#request.leg, err: error }, 'bug in what a member asked for');
    if (++this.#refused > MAX_REFUSED)
      return this.close({
        blame: 'client',
        reason: 'bad-message',
        text: `${MAX_REFUSED} messages of this member were refused: its client is broken.`,
      });
    const { n, id } = ask;
    this.#tell({
      t: 'refused',
      of,
      ...(n !== undefined && { n }),
      ...(id !== undefined && { id }),
      why: terminationOf(error),
    });
  }

  #watched(event: RoomEvent): void {
    if (event.type !== 'roster') return this.#tell({ t: 'event', event });
    for (const part of rosterParts(event.members)) this.#tell(part);
  }

  #tell(t: TellOut): void {
    if (this.#closed === undefined) this.#standing?.running.say(t);
  }
}
