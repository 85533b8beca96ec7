import { writeAnnexB } from '../../codecs/h264/annexb.ts';
import { type Depacketizer, h264Depacketizer } from '../../codecs/h264/depacketize.ts';
import { h264Ingress } from '../../codecs/h264/ingress.ts';
import type { PictureLoss } from '../../codecs/in-order.ts';
import type { Studio, Viewer } from '../../codecs/video/studio/studio.ts';
import type { PatternColour, Seen } from '../../codecs/video/studio/wire.ts';
import { vp8Depacketizer } from '../../codecs/vp8/depacketize.ts';
import { vp8Ingress } from '../../codecs/vp8/ingress.ts';
import type { Clock, Format, MediaPacket, Millis, Sink, VideoCodec } from '../../src/contract.ts';
import { PictureMeter } from '../../src/proto/rtp/picture-meter.ts';
import { RtpReceiver } from '../../src/proto/rtp/receiver.ts';
import { timeOfDay } from './camera.ts';

/** A keyframe asked for may be lost, or the request. */
const ASK_AGAIN_MS = 1000;
/** A burned-in time further off than this is of another clock. */
const MAX_DELAY_MS = 60_000;
const MAX_DELAYS = 3000;
/** Pictures kept for newcomers come in a burst, 1 ms apart: they say nothing of how many a second there are. */
const BURST_TICKS = 5 * 90;

/** What came of pictures. */
export interface Sight {
  readonly codec?: VideoCodec;
  readonly packets: number;
  readonly lossPercent?: number;
  /** When the first one was decoded. */
  readonly firstAt?: Millis;
  /** Decoded, and coded ones that FFmpeg could not read. */
  readonly pictures: number;
  readonly broken: number;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  readonly freezes: number;
  readonly keyframesAsked: number;
  /** A test pattern of a dialer or the demo: whose, and how old the pictures were (median), by the clock in them. */
  readonly pattern?: { readonly colour: PatternColour; readonly delayMs?: number };
}

/** Puts pictures together, has them decoded in the studio's thread, and keeps what there is to tell. */
export class Eye {
  readonly receiver: RtpReceiver;
  readonly #studio: Studio;
  readonly #clock: Clock;
  readonly #needKey: () => void;
  readonly #note: (text: string) => void;
  readonly #meter = new PictureMeter();
  readonly #lines = new Map<VideoCodec, { readonly sink: Sink<MediaPacket>; readonly viewer: Viewer }>();
  #formats: ReadonlyMap<number, Format> = new Map();
  #codec: VideoCodec | undefined;
  #askedAt: Millis = Number.NEGATIVE_INFINITY;
  #asked = 0;
  #packets = 0;
  #pictures = 0;
  /** Of them, those that came in a burst. */
  #burst = 0;
  #lastPts = Number.NEGATIVE_INFINITY;
  #broken = 0;
  #size: { width: number; height: number } | undefined;
  #firstAt: Millis | undefined;
  #lastAt: Millis = 0;
  #colour: PatternColour | undefined;
  readonly #delaysMs: number[] = [];

  /** `needKey`: the picture cannot go on without a keyframe; `note` hears why nothing can be looked at any more. */
  constructor(
    o: { studio: Studio; clock: Clock; needKey(): void; note(text: string): void },
    receiver = new RtpReceiver(),
  ) {
    this.receiver = receiver;
    this.#studio = o.studio;
    this.#clock = o.clock;
    this.#needKey = () => o.needKey();
    this.#note = text => o.note(text);
  }

  /** Payload types that come from now on. */
  expect(formats: ReadonlyMap<number, Format>): void {
    this.#formats = formats;
    this.receiver.expect(new Map([...formats].map(([payloadType, f]) => [payloadType, f.clockRate])));
  }

  /** One datagram of RTP; what is no packet of the stream is passed over. */
  rtp(bytes: Uint8Array, now: Millis): void {
    const { receiver } = this;
    if (receiver.read(bytes, now) !== undefined) return;
    const codec = this.#formats.get(receiver.payloadType)?.codec as VideoCodec | undefined;
    if (codec !== undefined) this.#line(codec).sink(receiver.packet, now);
  }

  /** One picture that came whole (RTMP): NAL units. */
  units(units: readonly Uint8Array[], pts: number, now: Millis): void {
    this.#packets++;
    this.#line('H264');
    this.#look('H264', writeAnnexB(units), pts, now);
  }

  /** When the first picture was decoded. */
  get firstAt(): Millis | undefined {
    return this.#firstAt;
  }

  get sight(): Sight {
    const { packets, lost } = this.receiver.totals;
    const expected = packets + lost;
    const [first, last] = [this.#firstAt, this.#lastAt];
    const delayMs = this.#delaysMs.toSorted((a, b) => a - b)[this.#delaysMs.length >> 1];
    const steady = this.#pictures - this.#burst;
    return {
      ...(this.#codec !== undefined && { codec: this.#codec }),
      packets: this.#packets + packets,
      ...(expected > 0 && { lossPercent: (100 * lost) / expected }),
      ...(first !== undefined && { firstAt: first }),
      pictures: this.#pictures,
      broken: this.#broken,
      ...this.#size,
      ...(first !== undefined && last > first && { fps: (Math.max(0, steady - 1) * 1000) / (last - first) }),
      freezes: this.#meter.freezes,
      keyframesAsked: this.#asked,
      ...(this.#colour !== undefined && {
        pattern: { colour: this.#colour, ...(delayMs !== undefined && { delayMs }) },
      }),
    };
  }

  /** Idempotent. */
  close(): void {
    for (const { viewer } of this.#lines.values()) viewer.close();
    this.#lines.clear();
  }

  /** What a codec passes through; opened when its first packet comes. */
  #line(codec: VideoCodec): { sink: Sink<MediaPacket>; viewer: Viewer } {
    this.#codec = codec;
    const known = this.#lines.get(codec);
    if (known !== undefined) return known;
    let at: Millis = 0;
    const lost = (why: PictureLoss): void => {
      if (why !== 'reordered-late') this.#ask(at);
    };
    const units: Depacketizer =
      codec === 'H264'
        ? h264Depacketizer(u => this.#look(codec, writeAnnexB(u.units), u.pts, at), lost)
        : vp8Depacketizer(p => this.#look(codec, Uint8Array.from(p.bytes), p.pts, at), lost);
    const marks = (codec === 'H264' ? h264Ingress : vp8Ingress)({ format() {}, drop() {} })(p =>
      units.push(p),
    );
    const sink: Sink<MediaPacket> = (p, now) => {
      at = now;
      marks(p, now);
    };
    const line = { sink, viewer: this.#studio.viewer(codec, this.#note) };
    this.#lines.set(codec, line);
    return line;
  }

  #look(codec: VideoCodec, bytes: Uint8Array, pts: number, now: Millis): void {
    this.#meter.packet(bytes.length, true, now);
    const inBurst = Math.abs(pts - this.#lastPts) <= BURST_TICKS;
    this.#lastPts = pts;
    this.#lines.get(codec)?.viewer.look(bytes, pts, seen => {
      if (inBurst) this.#burst += seen.pictures.length;
      this.#seen(seen);
    });
  }

  #seen({ whole, pictures }: Seen): void {
    if (!whole) this.#broken++;
    const now = this.#clock.now();
    for (const { width, height, pattern } of pictures) {
      this.#pictures++;
      this.#firstAt ??= now;
      this.#lastAt = now;
      this.#size = { width, height };
      if (pattern === undefined) continue;
      this.#colour = pattern.colour;
      const delayMs = timeOfDay() - pattern.clockMs;
      const believed = delayMs >= 0 && delayMs < MAX_DELAY_MS;
      if (believed && this.#delaysMs.length < MAX_DELAYS) this.#delaysMs.push(delayMs);
    }
    if (!whole) this.#ask(now);
  }

  #ask(now: Millis): void {
    if (now - this.#askedAt < ASK_AGAIN_MS) return;
    this.#askedAt = now;
    this.#asked++;
    this.#needKey();
  }
}
