import type { Format } from '../src/contract.ts';

/** Sample rates the platform mixes and transcodes at, Hz. */
export type PcmRate = 8000 | 16000 | 48000;

/** One stream's decoder. PCM is mono, 16 bit, at `sampleRate`. No method throws on what a stranger sent. */
export interface AudioDecoder {
  readonly sampleRate: PcmRate;
  /** Payloads that could not be decoded and were concealed instead. */
  readonly badPackets: number;
  /** The sound of one RTP payload (AAC: one raw access unit). Borrowed: valid until the next call. */
  decode(payload: Uint8Array): Int16Array;
  /**
   * Sound in place of a lost packet, fading to silence as losses go on. Exactly `samples` long (at most a second)
   * when that is a whole number of samples at the codec's own rate, as whole milliseconds are for all but AAC at
   * 44.1 kHz and its kin; else the nearest, and what it is off by never adds up. Borrowed.
   */
  conceal(samples: number): Int16Array;
  /** As `conceal`, out of the redundancy the following packet carries (opus in-band FEC), where it carries any. */
  recover(next: Uint8Array, samples: number): Int16Array;
  /** Frees native memory. Idempotent; later calls give silence. */
  close(): void;
}

/** One stream's encoder: mono 16-bit PCM at `sampleRate` in, whole codec frames out. */
export interface AudioEncoder {
  /** What the frames are; AAC has its `config` here. */
  readonly format: Format;
  readonly sampleRate: PcmRate;
  /** Length of every frame in the format's clock units (RTP timestamp ticks). */
  readonly frameTicks: number;
  /**
   * Takes any number of samples and calls `sink` for each frame they complete. `payload` is borrowed for the call;
   * `pts` counts clock units from 0 at the first frame.
   */
  encode(pcm: Int16Array, sink: (payload: Uint8Array, pts: number) => void): void;
  /** Frees native memory; samples short of a frame are lost. Idempotent; later calls do nothing. */
  close(): void;
}

export interface EncoderOptions {
  /** Sound per frame; AAC has its own (1024 samples). Default 20. */
  readonly ptimeMs?: number;
  /** For codecs that have a choice (opus, AAC). */
  readonly bitrateBps?: number;
}

/** Tells how loud a packet is, as cheaply as its codec allows. */
export interface LevelMeter {
  readonly badPackets: number;
  /** −dBov, 0 (loudest) … 127 (silence), RFC 6464 §3; 127 for a payload that cannot be read. */
  level(payload: Uint8Array): number;
  close(): void;
}
