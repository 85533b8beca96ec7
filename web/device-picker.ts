import { type Capture, devicesOf } from './capture.ts';
import { make } from './dom.ts';
import { keep, recall } from './place.ts';
import type { Device } from './trouble.ts';
import { words } from './words.ts';

const ALL = ['microphone', 'camera', 'speaker'] as const;
type Kind = (typeof ALL)[number];
/** Not every browser can send sound elsewhere. */
const canChooseSpeaker = 'setSinkId' in HTMLMediaElement.prototype;

/** Three lists to choose from. `onSpeaker` gets the id of the speaker when it was changed. */
export class DevicePicker {
  readonly #lists = new Map<Kind, HTMLSelectElement>();
  readonly #capture: Capture;

  constructor(parent: HTMLElement, capture: Capture, onSpeaker: (id: string) => void) {
    this.#capture = capture;
    for (const kind of ALL) {
      if (kind === 'speaker' && !canChooseSpeaker) continue;
      const list = make('select');
      list.disabled = true;
      list.addEventListener('change', () => {
        if (kind !== 'speaker') return void capture.choose(kind, list.value);
        keep(kind, list.value);
        onSpeaker(list.value);
      });
      this.#lists.set(kind, list);
      parent.append(make('label', '', words[kind], list));
    }
    capture.onChange(() => void this.refresh());
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.refresh());
    void this.refresh();
  }

  async refresh(): Promise<void> {
    for (const [kind, list] of this.#lists) {
      const devices = await devicesOf(kind);
      const options = devices.map(
        (d, i) => new Option(d.label || `${words.unnamedDevice} ${i + 1}`, d.deviceId),
      );
      list.replaceChildren(...options);
      list.disabled = options.length === 0;
      const current = kind === 'speaker' ? recall(kind) : this.#inUse(kind);
      if (devices.some(d => d.deviceId === current)) list.value = current;
    }
  }

  #inUse(device: Device): string {
    return this.#capture.track(device)?.getSettings().deviceId ?? recall(device);
  }
}
