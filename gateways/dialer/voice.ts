import { randomBytes } from 'node:crypto';
import type { Format } from '../../src/contract.ts';
import type { RtpSession } from '../../src/proto/rtp/session.ts';
import type { AudioPlan, PhoneCodec } from '../../src/proto/sdp/audio.ts';
import type { Ask } from './ask.ts';
import { Ear } from './ear.ts';
import { openSession } from './rtp-line.ts';
import { openTone, type Tone } from './tone.ts';
import type { Trip } from './trip.ts';

const FORMATS: readonly (Format & { readonly codec: PhoneCodec })[] = [
  { codec: 'opus', clockRate: 48000, channels: 2 },
  { codec: 'G722', clockRate: 8000 },
  { codec: 'PCMU', clockRate: 8000 },
  { codec: 'PCMA', clockRate: 8000 },
];

/** What a SIP call speaks and hears with. Made before it begins, so that the first packet finds us ready. */
export class Voice {
  /** In the order they are offered. */
  readonly codecs: readonly PhoneCodec[];
  /** Of all streams of the call: its pictures go with its sound. */
  readonly cname: string;
  readonly session: RtpSession;
  readonly ear: Ear;
  readonly #tones: readonly Tone[];
  readonly #toneHz: number;

  /** Rejects with a Refusal when a codec cannot be had. */
  static async open(ask: Ask, trip: Trip): Promise<Voice> {
    const formats = FORMATS.filter(f => ask.codec === undefined || f.codec === ask.codec);
    const cname = randomBytes(9).toString('base64url'); // RFC 7022 §4.2
    const session = openSession(trip.clock, cname);
    const tones: Tone[] = [];
    for (const format of formats) tones.push(await openTone(format, ask.toneHz));
    const ear = await Ear.open(session.receiver, formats, ask.expectHz);
    const codecs = formats.map(f => f.codec);
    return new Voice(codecs, cname, session, ear, tones, ask.toneHz);
  }

  private constructor(
    codecs: readonly PhoneCodec[],
    cname: string,
    session: RtpSession,
    ear: Ear,
    tones: readonly Tone[],
    toneHz: number,
  ) {
    this.codecs = codecs;
    this.cname = cname;
    this.session = session;
    this.ear = ear;
    this.#tones = tones;
    this.#toneHz = toneHz;
  }

  /** The tone as the server wants it: another frame length than ours is made now. */
  async tone({ format, ptimeMs }: AudioPlan['send']): Promise<Tone> {
    const made = this.#tones.find(t => t.format.codec === format.codec && t.ptimeMs === ptimeMs);
    return made ?? openTone(format, this.#toneHz, ptimeMs);
  }

  close(): void {
    this.ear.close();
  }
}
