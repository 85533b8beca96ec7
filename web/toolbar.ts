import { by, dress } from './dom.ts';
import { words } from './words.ts';

export interface Acts {
  mute(): void;
  camera(): void;
  share(): void;
  leave(): void;
}

const press = (id: string, on: boolean): void => by(id).setAttribute('aria-pressed', String(on));

/** The buttons of the room, and their keys. Labels stay the same; what changes is whether they are pressed. */
export class Toolbar {
  readonly #acts: () => Acts | undefined;
  #unread = 0;

  constructor(acts: () => Acts | undefined) {
    this.#acts = acts;
    dress(by('share'), 'screen', words.share);
    dress(by('leave'), 'leave', words.leave);
    dress(by('full'), 'full', words.fullScreen);
    for (const act of ['mute', 'camera', 'share', 'leave'] as const)
      by(act).addEventListener('click', () => acts()?.[act]());
    by('panel').addEventListener('click', () => this.#panel(!this.#open));
    by('full').addEventListener('click', () => void toggleFull());
    document.addEventListener('keydown', event => this.#key(event));
    if (navigator.mediaDevices === undefined || !('getDisplayMedia' in navigator.mediaDevices)) {
      by<HTMLButtonElement>('share').disabled = true;
      by('share').title = words.cannotShareHere;
    }
    this.muted(false);
    this.camera(false);
    this.#panel(false);
  }

  muted(on: boolean): void {
    press('mute', on);
    dress(by('mute'), on ? 'microphoneOff' : 'microphone', words.mute, 'M');
  }

  camera(on: boolean): void {
    press('camera', on);
    dress(by('camera'), on ? 'camera' : 'cameraOff', words.camera, 'V');
  }

  /** False: the server takes none. */
  pictures(possible: boolean): void {
    by<HTMLButtonElement>('camera').disabled = !possible;
    if (!possible) by('camera').title = words.noPictures;
  }

  sharing(on: boolean): void {
    press('share', on);
  }

  /** A message came that may not be seen. */
  wrote(): void {
    if (by('side').getClientRects().length === 0) this.#count(this.#unread + 1);
  }

  get #open(): boolean {
    return by('room').classList.contains('panel');
  }

  #panel(open: boolean): void {
    by('room').classList.toggle('panel', open);
    by('panel').setAttribute('aria-expanded', String(open));
    dress(by('panel'), 'people', words.panel);
    this.#count(0);
    if (open) by('side').focus();
  }

  #count(unread: number): void {
    this.#unread = unread;
    by('panel').dataset.unread = unread > 0 ? String(unread) : '';
  }

  #key(event: KeyboardEvent): void {
    const acts = this.#acts();
    if (acts === undefined || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if ((event.target as Element).closest('input, select, textarea')) return;
    const key = event.key.toLowerCase();
    if (key === 'm') acts.mute();
    else if (key === 'v') acts.camera();
    else if (key === 'escape') this.#panel(false);
  }
}

async function toggleFull(): Promise<void> {
  if (document.fullscreenElement) await document.exitFullscreen();
  else
    await by('screen')
      .requestFullscreen?.()
      .catch(() => {}); // not on every telephone
}
