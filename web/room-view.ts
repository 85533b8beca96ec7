import type { Capture } from './capture.ts';
import { Chat } from './chat.ts';
import { by } from './dom.ts';
import { DrillBanner } from './drill.ts';
import { drawMembers } from './member-list.ts';
import type { Player } from './player.ts';
import type { Person, Roster } from './roster.ts';
import type { Stats } from './stats.ts';
import { Tiles } from './tiles.ts';
import type { Toolbar } from './toolbar.ts';
import { say } from './words.ts';

const NEWS_MS = 5000;

/** Everything seen in the room but the buttons. */
export class RoomView {
  readonly chat = new Chat();
  readonly drill = new DrillBanner();
  readonly toolbar: Toolbar;
  readonly #tiles = new Tiles();
  readonly #screen = by('screen').querySelector('video') as HTMLVideoElement;
  #own: MediaStream | undefined;
  #newsTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(toolbar: Toolbar) {
    this.toolbar = toolbar;
  }

  status(text: string): void {
    by('status').textContent = text;
  }

  /** Said once, to those who see and those who hear. */
  news(text: string): void {
    by('news').textContent = text;
    clearTimeout(this.#newsTimer);
    this.#newsTimer = setTimeout(() => (by('news').textContent = ''), NEWS_MS);
  }

  draw(roster: Roster, player: Player | undefined, stats: Stats, capture: Capture): void {
    const people = roster.people();
    drawMembers(people, stats.quality);
    const own = this.#ownPicture(capture.track('camera'));
    const of = ({ self, slot, member }: Person): MediaStream | undefined =>
      self ? own : slot === undefined || member.muted.video ? undefined : player?.picture(slot);
    this.#tiles.draw(people, { of, still: slot => stats.still.has(slot) });
    this.#drawScreen(roster, player);
  }

  clear(): void {
    this.#tiles.clear();
    this.drill.clear();
    this.#screen.srcObject = null;
    by('news').textContent = '';
    by('room').classList.remove('shared');
  }

  #drawScreen({ slots: { content }, self }: Roster, player: Player | undefined): void {
    const shown = content !== null && content !== self;
    by('screen').hidden = !shown;
    by('room').classList.toggle('shared', shown);
    const picture = shown ? (player?.content ?? null) : null;
    if (this.#screen.srcObject !== picture) this.#screen.srcObject = picture;
    if (!shown) return;
    const caption = by('screen').querySelector('figcaption') as HTMLElement;
    caption.textContent = say('screenOf', { name: content });
    this.#screen.setAttribute('aria-label', caption.textContent);
  }

  #ownPicture(track: MediaStreamTrack | undefined): MediaStream | undefined {
    if (track !== this.#own?.getTracks()[0]) this.#own = track && new MediaStream([track]);
    return this.#own;
  }
}

/** One of the three views. */
export function show(which: 'before' | 'room' | 'notice'): void {
  for (const id of ['before', 'room', 'notice'] as const) by(id).hidden = id !== which;
  document.body.dataset.view = which;
}

/** The end of a stay, in a sentence. `pin`: the answer may be given in place. */
export function showNotice(sentence: string, pin = false): void {
  by('status').textContent = '';
  by('notice-text').textContent = '';
  by('ask-pin').hidden = !pin;
  by('again').hidden = pin;
  show('notice');
  by('notice-text').textContent = sentence; // now that it is shown: that is when it is read out
  by(pin ? 'pin' : 'again').focus();
}
