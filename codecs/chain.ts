import type { Format } from '../src/contract.ts';
import type { AudioDecoder, AudioEncoder, PcmRate } from './codec.ts';
import { concealer } from './conceal.ts';
import { resampler } from './resample/resample.ts';

/** A codec at its own rate, without concealment or resampling. */
export interface NativeDecoder {
  /** May change by what a packet says (HE-AAC); read after `decode`. */
  readonly rateHz: number;
  /** Mono PCM, lent until the next call and writable by the caller; undefined for a payload that is no packet. */
  decode(payload: Uint8Array): Int16Array | undefined;
  close(): void;
}

/** More than any packet or gap we would fill in one go. */
const LONGEST_GAP_MS = 1000;

/** The whole decoder: `native`, then concealment at its own rate, then resampling. */
export function decoderOf(native: NativeDecoder, sampleRate: PcmRate): AudioDecoder {
  let rateHz = native.rateHz;
  let gaps = concealer(rateHz);
  let resample = resampler(rateHz, sampleRate);
  let usual = rateHz / 50; // samples of the last good packet: how long a bad one is taken to be
  let owed = 0; // fraction of a native sample left over by earlier gaps
  let badPackets = 0;
  let closed = false;

  return {
    sampleRate,
    get badPackets() {
      return badPackets;
    },
    decode(payload) {
      const pcm = closed ? undefined : native.decode(payload);
      if (pcm === undefined) {
        badPackets++;
        return resample.process(gaps.conceal(usual));
      }
      if (native.rateHz !== rateHz) {
        rateHz = native.rateHz;
        gaps = concealer(rateHz);
        resample = resampler(rateHz, sampleRate);
      }
      if (pcm.length > 0) usual = pcm.length;
      gaps.heard(pcm);
      return resample.process(pcm);
    },
    conceal(samples) {
      const exact = (Math.min(samples, sampleRate * (LONGEST_GAP_MS / 1000)) * rateHz) / sampleRate + owed;
      const whole = Math.round(exact);
      owed = exact - whole;
      return resample.process(gaps.conceal(whole));
    },
    recover(_next, samples) {
      return this.conceal(samples);
    },
    close() {
      if (closed) return;
      closed = true;
      gaps = concealer(rateHz); // forgets what it heard: silence from now on
      resample = resampler(rateHz, sampleRate);
      native.close();
    },
  };
}

/** A codec's encoder at its own rate, a whole frame at a time. */
export interface NativeEncoder {
  readonly format: Format;
  readonly rateHz: number;
  readonly frameSamples: number;
  readonly frameTicks: number;
  /** `sink` gets each finished payload, borrowed. A codec may hold frames back and give several later. */
  encode(frame: Int16Array, sink: (payload: Uint8Array) => void): void;
  close(): void;
}

/** The whole encoder: resampling, then cutting into frames, then `native`. */
export function encoderOf(native: NativeEncoder, sampleRate: PcmRate): AudioEncoder {
  const { format, frameTicks, frameSamples } = native;
  const resample = resampler(sampleRate, native.rateHz);
  const frame = new Int16Array(frameSamples);
  let filled = 0;
  let pts = 0;
  let closed = false;

  return {
    format,
    sampleRate,
    frameTicks,
    encode(pcm, sink) {
      if (closed) return;
      const stamped = (payload: Uint8Array): void => {
        sink(payload, pts);
        pts += frameTicks;
      };
      const samples = resample.process(pcm);
      for (let at = 0; at < samples.length && !closed; ) {
        const take = Math.min(frameSamples - filled, samples.length - at);
        frame.set(samples.subarray(at, at + take), filled);
        filled += take;
        at += take;
        if (filled < frameSamples) return;
        filled = 0;
        native.encode(frame, stamped);
      }
    },
    close() {
      if (closed) return;
      closed = true;
      native.close();
    },
  };
}
