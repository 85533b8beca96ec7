import { keep, raw, recall } from './place.ts';
import { type Device, type Trouble, troubleOf } from './trouble.ts';

const KIND = { microphone: 'audio', camera: 'video' } as const;
const DEVICES: readonly Device[] = ['microphone', 'camera'];

/** The microphone and the camera: open or not, and why not. Outlives a stay, so that Join again is quick. */
export class Capture {
  readonly #tracks = new Map<Device, MediaStreamTrack>();
  readonly #troubles = new Map<Device, Trouble>();
  readonly #listeners = new Set<(device: Device) => void>();
  /** Counts what was asked of a device: an answer to an older wish is not taken. */
  readonly #wishes = { microphone: 0, camera: 0 };

  track(device: Device): MediaStreamTrack | undefined {
    return this.#tracks.get(device);
  }

  trouble(device: Device): Trouble | undefined {
    return this.#troubles.get(device);
  }

  /** Told when a device was opened, closed, refused or lost. Returns its own undo. */
  onChange(listener: (device: Device) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Both with one question where the browser can; each alone where one of them is in trouble. */
  async openAll(camera: boolean): Promise<void> {
    const wanted = DEVICES.filter(d => !this.#tracks.has(d) && (d === 'microphone' || camera));
    // For tests the microphone must not wait for the camera's answer.
    if (wanted.length < 2 || raw || !this.#canAsk(wanted)) {
      for (const device of wanted) await this.open(device);
      return;
    }
    try {
      await this.#ask(wanted, { audio: sound(), video: picture() });
    } catch {
      for (const device of wanted) await this.open(device);
    }
  }

  /** Opens it as the user chose; what was open of it is closed first. True when it is open now. */
  async open(device: Device): Promise<boolean> {
    if (!this.#canAsk([device])) return false;
    this.#stop(device);
    try {
      const ask = device === 'microphone' ? { audio: sound() } : { video: picture() };
      await this.#ask([device], ask);
    } catch (error) {
      this.#fail(device, troubleOf(error));
    }
    return this.#tracks.has(device);
  }

  /** From now on this one; opened at once if the device is in use. */
  async choose(device: Device, id: string): Promise<void> {
    keep(device, id);
    if (this.#tracks.has(device) || this.#troubles.has(device)) await this.open(device);
  }

  close(device: Device): void {
    this.#wishes[device]++;
    if (!this.#tracks.has(device)) return;
    this.#stop(device);
    this.#tell(device);
  }

  closeAll(): void {
    for (const device of DEVICES) this.close(device);
  }

  #canAsk(devices: readonly Device[]): boolean {
    if (navigator.mediaDevices !== undefined) return true;
    for (const device of devices) this.#fail(device, 'plainHttp');
    return false;
  }

  async #ask(devices: readonly Device[], constraints: MediaStreamConstraints): Promise<void> {
    const wishes = devices.map(d => ++this.#wishes[d]);
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    for (const track of stream.getTracks()) {
      const device = track.kind === 'audio' ? 'microphone' : 'camera';
      if (this.#wishes[device] !== wishes[devices.indexOf(device)]) {
        track.stop(); // closed, or asked for anew, meanwhile
        continue;
      }
      this.#stop(device);
      this.#troubles.delete(device);
      this.#tracks.set(device, track);
      track.onended = () => {
        this.#tracks.delete(device);
        this.#fail(device, 'Lost');
      };
      this.#tell(device);
    }
  }

  #stop(device: Device): void {
    const track = this.#tracks.get(device);
    this.#tracks.delete(device);
    if (track === undefined) return;
    track.onended = null;
    track.stop();
  }

  #fail(device: Device, trouble: Trouble): void {
    this.#troubles.set(device, trouble);
    this.#tell(device);
  }

  #tell(device: Device): void {
    for (const listener of this.#listeners) listener(device);
  }
}

/** Devices of a kind with their names; names are empty until one was allowed. */
export async function devicesOf(device: Device | 'speaker'): Promise<MediaDeviceInfo[]> {
  const kind = device === 'speaker' ? 'audiooutput' : (`${KIND[device]}input` as const);
  const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  return all.filter(d => d.kind === kind && d.deviceId !== '');
}

const chosen = (device: Device): { deviceId?: ConstrainDOMString } => {
  const id = recall(device);
  return id === '' ? {} : { deviceId: { ideal: id } };
};

const sound = (): MediaTrackConstraints => ({
  ...chosen('microphone'),
  echoCancellation: !raw,
  noiseSuppression: !raw,
  autoGainControl: !raw,
});

const picture = (): MediaTrackConstraints => ({
  ...chosen('camera'),
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 30, max: 30 },
});
