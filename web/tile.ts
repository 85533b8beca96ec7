import { make, sign, unseen } from './dom.ts';
import { protocolSign } from './protocol.ts';
import type { Person } from './roster.ts';
import { words } from './words.ts';

/** One member: its picture, or its initials. */
export class Tile {
  readonly element = make('li', 'tile');
  readonly #video = make('video');
  readonly #avatar = make('span', 'avatar');
  readonly #name = make('span', 'name');
  readonly #signs = make('span', 'signs');
  readonly #gone = make('span', 'gone', words.away);
  #drawn = '';

  constructor(name: string) {
    this.element.dataset.tile = name;
    this.#avatar.textContent = initials(name);
    this.#avatar.setAttribute('aria-hidden', 'true');
    this.#avatar.style.setProperty('--hue', String(hueOf(name)));
    this.#video.muted = true;
    this.#video.autoplay = true;
    this.#video.playsInline = true;
    this.#video.hidden = true;
    for (const event of ['loadeddata', 'resize'] as const)
      this.#video.addEventListener(event, () => this.#fit());
    this.element.append(
      this.#avatar,
      this.#video,
      make('span', 'plate', this.#name, this.#signs),
      this.#gone,
    );
    this.#gone.hidden = true;
  }

  /** `picture`: undefined when there is none; `still`: nothing comes in it now. */
  draw(person: Person, picture: MediaStream | undefined, still: boolean): void {
    const { member, self, speaks } = person;
    if (this.#video.srcObject !== (picture ?? null)) {
      this.#video.srcObject = picture ?? null;
      this.#video.hidden = true; // until the first frame of it
    }
    if (picture === undefined || still) this.#video.hidden = true;
    else this.#fit();
    const name = self ? `${member.participant} (${words.you})` : member.participant;
    const drawn = JSON.stringify([name, speaks, member.muted, member.state, member.protocols, person.shares]);
    this.element.classList.toggle('mirrored', self);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.element.classList.toggle('speaking', speaks);
    this.element.classList.toggle('away', member.state === 'away');
    this.#name.textContent = name;
    this.#gone.hidden = member.state !== 'away';
    this.#signs.replaceChildren(
      ...(member.muted.audio ? [sign('microphoneOff', words.muted, 'danger')] : []),
      ...(person.shares ? [sign('screen', words.sharing)] : []),
      protocolSign(member),
      ...(speaks ? [unseen(words.speaking)] : []),
    );
  }

  remove(): void {
    this.#video.srcObject = null;
    this.element.remove();
  }

  /** Upright pictures of telephones are shown whole; others fill the tile. */
  #fit(): void {
    const { videoWidth, videoHeight } = this.#video;
    if (videoWidth === 0) return;
    this.#video.hidden = false;
    this.#video.classList.toggle('upright', videoHeight > videoWidth);
  }
}

/** `Alice Smith` → AS, `小明` → 小. */
function initials(name: string): string {
  const all = name.split(/[\s._-]+/).map(w => [...w][0] ?? '');
  const letters = all.filter(l => /\p{L}|\p{N}/u.test(l));
  return (letters.slice(0, 2).join('') || [...name][0] || '?').toUpperCase();
}

/** The same colour for the same name everywhere. */
function hueOf(name: string): number {
  let hash = 7;
  for (const c of name) hash = (hash * 31 + (c.codePointAt(0) as number)) % 360;
  return hash;
}
