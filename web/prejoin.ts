import type { Capture } from './capture.ts';
import { DevicePicker } from './device-picker.ts';
import { by, dress } from './dom.ts';
import { LevelMeter } from './level.ts';
import { givenName, keep, raw, recall, wantsCamera } from './place.ts';
import { wordsOf } from './trouble.ts';
import { words } from './words.ts';

/** What a person has decided before joining. */
export interface Wish {
  readonly name: string;
  readonly muted: boolean;
}

/** Before the room: name, devices, how one looks and how loud one is. */
export class PreJoin {
  readonly #capture: Capture;
  readonly #meter = new LevelMeter(by<HTMLMeterElement>('level'));
  readonly #submit = by('join').querySelector('button') as HTMLButtonElement;
  #muted = false;
  #camera = wantsCamera();
  /** The microphone's trouble was shown, and Join says that it goes without. */
  #warned = false;
  #shown = false;

  constructor(capture: Capture, join: (wish: Wish) => void, onSpeaker: (id: string) => void) {
    this.#capture = capture;
    new DevicePicker(by('devices'), capture, onSpeaker);
    by<HTMLInputElement>('name').value = givenName ?? recall('name');
    capture.onChange(() => this.#draw());
    by('pre-mute').addEventListener('click', () => {
      if (capture.trouble('microphone') !== undefined) return void capture.open('microphone');
      this.#muted = !this.#muted;
      this.#draw();
    });
    by('pre-camera').addEventListener('click', () => void this.#toggleCamera());
    by('retry').addEventListener('click', () => void this.#open());
    by('join').addEventListener('submit', event => {
      event.preventDefault();
      void this.#join(join);
    });
  }

  show(): void {
    this.#shown = true;
    this.#warned = false;
    by('name').focus();
    this.#draw();
    // For tests no device is opened before Join.
    if (!raw) void this.#open();
  }

  hide(): void {
    this.#shown = false;
    this.#meter.listen(undefined);
    by<HTMLVideoElement>('mirror').srcObject = null;
  }

  async #open(): Promise<void> {
    await this.#capture.openAll(this.#camera);
  }

  async #toggleCamera(): Promise<void> {
    const inTrouble = this.#camera && this.#capture.trouble('camera') !== undefined;
    this.#camera = inTrouble || !this.#camera; // in trouble: once more
    keep('camera-on', this.#camera ? 'yes' : 'no');
    this.#draw();
    if (this.#camera) await this.#capture.open('camera');
    else this.#capture.close('camera');
  }

  async #join(join: (wish: Wish) => void): Promise<void> {
    const name = by<HTMLInputElement>('name').value.trim();
    if (name === '') return;
    keep('name', name);
    this.#submit.disabled = true;
    by('status').textContent = words.joining;
    if (this.#capture.track('microphone') === undefined && !this.#warned) await this.#open();
    this.#submit.disabled = false;
    if (this.#capture.trouble('microphone') !== undefined && !this.#warned) {
      by('status').textContent = '';
      return this.#draw(); // now it is warned
    }
    join({ name, muted: this.#muted });
  }

  #draw(): void {
    if (!this.#shown) return;
    const microphone = this.#capture.track('microphone');
    if (microphone !== undefined) microphone.enabled = !this.#muted;
    // It costs an audio device of its own.
    if (!raw) this.#meter.listen(microphone);
    const noMicrophone = this.#capture.trouble('microphone');
    this.#warned = noMicrophone !== undefined;
    by('hint').hidden = this.#warned; // it has asked already, or never will
    by('trouble').hidden = !this.#warned;
    by('retry').hidden = noMicrophone === 'plainHttp'; // the same page again is as little secure
    by('trouble-text').textContent = noMicrophone === undefined ? '' : wordsOf('microphone', noMicrophone);
    this.#submit.textContent = this.#warned ? words.joinWithout : words.join;
    const silent = this.#muted || noMicrophone !== undefined;
    dress(by('pre-mute'), silent ? 'microphoneOff' : 'microphone', words.mute);
    by('pre-mute').setAttribute('aria-pressed', String(silent));
    const camera = this.#camera && this.#capture.trouble('camera') === undefined;
    dress(by('pre-camera'), camera ? 'camera' : 'cameraOff', words.camera);
    by('pre-camera').setAttribute('aria-pressed', String(camera));
    this.#drawMirror();
  }

  #drawMirror(): void {
    const camera = this.#capture.track('camera');
    const mirror = by<HTMLVideoElement>('mirror');
    const shown = (mirror.srcObject as MediaStream | null)?.getTracks()[0];
    if (shown !== camera) mirror.srcObject = camera === undefined ? null : new MediaStream([camera]);
    mirror.hidden = camera === undefined;
    const trouble = this.#capture.trouble('camera');
    const waits = this.#camera && !raw;
    by('preview-text').textContent =
      camera !== undefined
        ? ''
        : trouble !== undefined && this.#camera
          ? wordsOf('camera', trouble)
          : waits
            ? words.cameraStarts
            : words.cameraIsOff;
  }
}
