import type { AudioDecoder } from '../../codecs/audio.ts';
import { openDecoder } from '../../codecs/audio.ts';
import type { Format } from '../../src/contract.ts';
import { DtmfDetector, type DtmfHeard } from '../../src/media/dtmf-detector.ts';

const DETECTOR_HZ = 8000;

/** Keys in the sound of a phone that offers no telephone-event. Opus is not listened to: it bends tones too much. */
export class InbandKeys {
  readonly #decoder: AudioDecoder;
  readonly #detector: DtmfDetector;

  /** Undefined for codecs whose tones cannot be trusted. */
  static async open(format: Format, heard: DtmfHeard): Promise<InbandKeys | undefined> {
    if (format.codec === 'opus') return undefined;
    return new InbandKeys(await openDecoder(format, DETECTOR_HZ), heard);
  }

  private constructor(decoder: AudioDecoder, heard: DtmfHeard) {
    this.#decoder = decoder;
    this.#detector = new DtmfDetector(heard);
  }

  hear(payload: Uint8Array): void {
    this.#detector.write(this.#decoder.decode(payload));
  }

  close(): void {
    this.#decoder.close();
  }
}
