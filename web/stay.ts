import type { Capture } from './capture.ts';
import { Lines } from './lines.ts';
import { keep, room, token } from './place.ts';
import { Refused } from './refused.ts';
import type { RoomView } from './room-view.ts';
import { Roster } from './roster.ts';
import type { MediaAccess } from './session.ts';
import { Sharing } from './sharing.ts';
import { type Fact, type Joined, Signalling } from './signalling.ts';
import { Stats } from './stats.ts';
import { type Device, wordsOf } from './trouble.ts';
import { Upkeep } from './upkeep.ts';
import { sentenceOf, words } from './words.ts';

const STATS_MS = 2000;

export interface StayOptions {
  readonly name: string;
  readonly pin: string;
  readonly muted: boolean;
  readonly capture: Capture;
  readonly view: RoomView;
  /** Once: why it ended, `left` when one left. */
  readonly ended: (reason: string, sentence: string) => void;
}

/** One stay in the room, from Join to the end. */
export class Stay {
  readonly #o: StayOptions;
  readonly #roster = new Roster();
  readonly #stats = new Stats();
  readonly #signalling: Upkeep<Signalling>;
  readonly #lines: Lines;
  readonly #sharing: Sharing;
  readonly #undo: (() => void)[] = [];
  #secret = '';
  #muted: boolean;
  /** Signalling was lost: nobody's media is asked for until one is a member again. */
  #away = false;
  #drawing = false;
  #over = false;

  constructor(o: StayOptions) {
    this.#o = o;
    this.#muted = o.muted || o.capture.track('microphone') === undefined;
    this.#signalling = new Upkeep(lost => this.#join(lost), {
      up: () => this.#status(),
      down: () => {
        this.#away = true;
        this.#status();
      },
      gaveUp: why => this.#gaveUp(why),
    });
    this.#lines = new Lines(o.capture, {
      changed: () => this.#status(),
      waver: on => this.#waver(on),
      gaveUp: why => this.#gaveUp(why),
    });
    this.#sharing = new Sharing(
      () => this.#access,
      on => {
        o.view.toolbar.sharing(on);
        o.view.status(on ? words.youShare : words.connected);
        this.#tellCamera();
      },
      text => o.view.status(text),
    );
    this.#undo.push(o.capture.onChange(device => this.#device(device)));
    const timer = setInterval(() => void this.#look(), STATS_MS);
    this.#undo.push(() => clearInterval(timer));
    o.view.chat.begin(text => this.#signalling.it?.text(text) ?? false);
    o.view.toolbar.pictures(true);
    this.#setMuted(this.#muted);
    o.view.toolbar.camera(o.capture.track('camera') !== undefined);
    o.view.toolbar.sharing(false);
  }

  mute(): void {
    const { capture } = this.#o;
    // Who has no microphone asks for one: it is heard once it is there.
    if (this.#muted && capture.track('microphone') === undefined) void capture.open('microphone');
    this.#setMuted(!this.#muted);
    this.#signalling.it?.mute('audio', this.#muted);
  }

  camera(): void {
    const { capture } = this.#o;
    if (capture.track('camera') !== undefined) {
      keep('camera-on', 'no');
      return capture.close('camera');
    }
    keep('camera-on', 'yes');
    void capture.open('camera');
  }

  share(): void {
    void this.#sharing.toggle();
  }

  leave(): void {
    this.#end('left', words.left);
  }

  speaker(id: string): void {
    this.#lines.player?.speaker(id);
  }

  #join(lost: () => void): Promise<Signalling> {
    // A token says who one is; without one the resume secret brings back the same member, and a PIN lets a new one in.
    const { name, pin } = this.#o;
    return Signalling.open(room, token ? '' : name, token || this.#secret || pin, {
      joined: fact => this.#joined(fact),
      fact: fact => this.#fact(fact),
      ended: why => this.#gaveUp(why),
      lost,
    });
  }

  #joined({ participant, secret }: Joined): void {
    const same = participant === this.#roster.self;
    this.#away = false;
    this.#roster.self = participant;
    this.#secret = secret;
    // Facts may have been missed: a new session tells its slots anew. Another member's media must not go on as ours.
    if (same) this.#lines.rejoined();
    else this.#lines.open(() => this.#access);
    this.#sharing.rejoined();
  }

  get #access(): MediaAccess {
    if (this.#away) throw new Error('not in the room at present');
    return { room, participant: token ? '' : this.#roster.self, bearer: token || this.#secret };
  }

  #fact(fact: Exclude<Fact, Joined>): void {
    if (this.#over) return;
    const { view } = this.#o;
    const news = this.#roster.take(fact);
    if (news !== undefined) view.news(news);
    switch (fact.type) {
      case 'roster': // what was decided before, or while the connection was away
        if (this.#muted) this.#signalling.it?.mute('audio', true);
        this.#tellCamera();
        break;
      case 'muted':
        this.#mutedBy(fact.media, fact.on);
        break;
      case 'text':
        view.chat.heard(fact.from, fact.text, fact.from === this.#roster.self);
        if (fact.from !== this.#roster.self) view.toolbar.wrote();
        break;
      case 'session-ended':
        this.#lines.ended(fact.session);
        this.#sharing.ended(fact.session);
        break;
      case 'session-moves':
        this.#lines.moves(fact.session);
        this.#sharing.moves(fact.session);
        break;
      case 'drill':
        view.drill.take(fact);
        break;
      case 'refused':
        view.status(sentenceOf(fact.reason, fact.text));
        break;
    }
    this.#draw();
  }

  /** By oneself (an echo) or by the host. A host may silence, and let speak; a camera only its owner turns on. */
  #mutedBy(media: 'audio' | 'video', on: boolean): void {
    const { view, capture } = this.#o;
    if (media === 'audio') {
      if (on && !this.#muted) view.status(words.mutedByHost);
      this.#setMuted(on);
    } else if (on && (capture.track('camera') !== undefined || this.#sharing.on)) {
      view.status(words.cameraOffByHost);
      capture.close('camera');
      this.#sharing.stop();
    }
  }

  #setMuted(on: boolean): void {
    this.#muted = on;
    const microphone = this.#o.capture.track('microphone');
    if (microphone !== undefined) microphone.enabled = !on;
    this.#o.view.toolbar.muted(on);
  }

  /** A device was opened, closed or lost. */
  #device(device: Device): void {
    const { capture, view } = this.#o;
    const track = capture.track(device);
    this.#lines.refill();
    const trouble = capture.trouble(device);
    if (track === undefined && trouble !== undefined) view.status(wordsOf(device, trouble));
    if (device === 'microphone') {
      if (track === undefined && !this.#muted) this.#signalling.it?.mute('audio', true);
      this.#setMuted(this.#muted || track === undefined);
    } else {
      view.toolbar.camera(track !== undefined);
      this.#tellCamera();
    }
    this.#draw();
  }

  /** Others see initials at once, not the last picture. A shared screen is a picture too: it must not be muted. */
  #tellCamera(): void {
    this.#signalling.it?.mute('video', this.#o.capture.track('camera') === undefined && !this.#sharing.on);
  }

  #waver(on: boolean): void {
    if (on) this.#o.view.status(words.reconnecting);
    else this.#status();
  }

  #status(): void {
    if (this.#over) return;
    const { publisher, player } = this.#lines;
    const { view } = this.#o;
    if (publisher) view.toolbar.pictures(publisher.takesPicture);
    const all = this.#signalling.it && publisher && player;
    view.status(all ? words.connected : this.#roster.self === '' ? words.joining : words.reconnecting);
    this.#draw();
  }

  #gaveUp(why: unknown): void {
    if (why instanceof Refused) this.#end(why.reason, sentenceOf(why.reason, why.message));
    else this.#end('lost', words.lost);
  }

  async #look(): Promise<void> {
    const { self, slots } = this.#roster;
    await this.#stats.look(self, slots, this.#lines.player, this.#lines.publisher);
    this.#draw();
  }

  /** Once for all facts that came together. */
  #draw(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    queueMicrotask(() => {
      this.#drawing = false;
      if (!this.#over) this.#o.view.draw(this.#roster, this.#lines.player, this.#stats, this.#o.capture);
    });
  }

  #end(reason: string, sentence: string): void {
    if (this.#over) return;
    this.#over = true;
    for (const undo of this.#undo) undo();
    this.#sharing.stop();
    this.#signalling.close();
    this.#lines.close();
    this.#o.view.clear();
    this.#o.ended(reason, sentence);
  }
}
