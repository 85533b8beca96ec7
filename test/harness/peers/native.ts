import { type AudioDecoder, openDecoder } from '../../../codecs/audio.ts';
import type { PatternColour } from '../../../codecs/video/pattern-code.ts';
import { Studio } from '../../../codecs/video/studio/studio.ts';
import { rtp } from '../../../gateways/dialer/artp-caller.ts';
import { Eye, type Sight } from '../../../gateways/dialer/eye.ts';
import { OwnPicture } from '../../../gateways/dialer/own-picture.ts';
import { Talker } from '../../../gateways/dialer/talker.ts';
import { openTone } from '../../../gateways/dialer/tone.ts';
import {
  connect,
  type MemberEvent,
  type NativeMember,
  type Sound as Played,
} from '../../../gateways/native/client/index.ts';
import type { Format } from '../../../src/contract.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { TONES_HZ } from '../tones.ts';
import type { Sound } from '../wav.ts';

const OPUS: Format = { codec: 'opus', clockRate: 48_000, channels: 2 };
const H264: Format = { codec: 'H264', clockRate: 90_000, fmtp: { 'packetization-mode': '1' } };
const VP8: Format = { codec: 'VP8', clockRate: 90_000 };
/** Of the RTP that an eye reads. */
const PAYLOAD_TYPES = new Map([
  [102, H264],
  [96, VP8],
]);
const RATE_HZ = 8000;
/** −20 dBFS of a sine's peak, in −dBov (RFC 6464). */
const TONE_LEVEL = 23;

/** A native member by the client library: sounds a tone of the common scale, and keeps what it hears. */
export class NativePeer {
  readonly member: NativeMember;
  readonly events: MemberEvent[];
  readonly #samples: number[] = [];
  readonly #blocks = { packet: 0, missing: 0, silence: 0 };
  readonly #ends: (() => unknown)[] = [];
  #studio: Studio | undefined;

  private constructor(member: NativeMember, events: MemberEvent[]) {
    this.member = member;
    this.events = events;
  }

  static async join(url: string, user: string, tone: number): Promise<NativePeer> {
    const events: MemberEvent[] = [];
    const on = (e: MemberEvent): void => void events.push(e);
    const member = await connect({ url, user, insecure: true, webSocket: false, on });
    const peer = new NativePeer(member, events);
    peer.#ends.push(() => member.leave());
    const mic = member.publish({ source: 'mic', format: OPUS, canKeyframe: false, syncGroup: user });
    const talker = new Talker(await openTone(OPUS, TONES_HZ[tone] as number), systemClock, (packet, now) => {
      packet.level = TONE_LEVEL;
      mic.sink(packet, now);
    });
    peer.#ends.push(() => talker.stop());
    const decoder = await openDecoder(OPUS, RATE_HZ);
    peer.#ends.push(() => decoder.close());
    member.listen({ kind: 'mix', codec: OPUS, ptimeMs: 20 }, sound => {
      peer.#blocks[sound.type]++;
      for (const s of pcmOf(sound, decoder)) peer.#samples.push(s / 32_768);
    });
    return peer;
  }

  /** What it was given to play so far: packets, and what was concealed or silent between them. */
  get blocks(): Readonly<Record<Played['type'], number>> {
    return { ...this.#blocks };
  }

  /** Everything since the first packet came, at the time at which it is to be heard. */
  heard(): Sound {
    return { rateHz: RATE_HZ, samples: Float32Array.from(this.#samples) };
  }

  /** When packets of another member's microphone come from now on, wall clock. */
  arrivals(of: string): number[] {
    const at: number[] = [];
    this.member.want({ kind: 'member', participant: of, source: 'mic', accept: [OPUS] }, () => {
      at.push(Date.now());
    });
    return at;
  }

  /** Shows a test picture of its own from now on: the colour. */
  async show(): Promise<PatternColour> {
    this.#studio ??= await Studio.open();
    const own = new OwnPicture(this.#studio, this.member.participant, () => {});
    const track = { source: 'camera', format: H264, canKeyframe: true, syncGroup: 'camera' } as const;
    const camera = this.member.publish(track, f => f.type === 'keyframe' && own.requestKey());
    own.camera.send(systemClock, camera.sink);
    this.#ends.push(() => own.camera.close());
    return own.options.colour;
  }

  /** Looks at the camera of another member: what came of it so far. */
  async look(at: string): Promise<() => Sight> {
    this.#studio ??= await Studio.open();
    const eye = new Eye({
      studio: this.#studio,
      clock: systemClock,
      note() {},
      needKey: () => wanted.feedback({ type: 'keyframe' }),
    });
    eye.expect(PAYLOAD_TYPES);
    const lines = new Map([H264, VP8].map(f => [f.codec, rtp(f, (b, now) => eye.rtp(b, now))]));
    let line = lines.get('H264');
    const wanted = this.member.want(
      { kind: 'member', participant: at, source: 'camera', accept: [H264, VP8] },
      (p, now) => line?.(p, now),
      e => {
        if (e.type === 'serving') line = lines.get(e.format.codec);
      },
    );
    this.#ends.push(() => eye.close());
    return () => eye.sight;
  }

  async leave(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
    await this.#studio?.close(systemClock);
  }
}

/** As any member would: what is missing is concealed, from the packet behind it where that helps. */
function pcmOf(sound: Played, decoder: AudioDecoder): Int16Array {
  const samples = (sound.ticks * RATE_HZ) / OPUS.clockRate;
  if (sound.type === 'silence') return new Int16Array(samples);
  if (sound.type === 'packet') return decoder.decode(sound.payload);
  return sound.next ? decoder.recover(sound.next, samples) : decoder.conceal(samples);
}
