import { PictureComplaints } from '../../codecs/video-ingress.ts';
import type {
  Feedback,
  MediaPacket,
  Millis,
  Publication,
  Seat,
  StreamStats,
  TrackSource,
} from '../../src/contract.ts';
import { Restamp } from '../../src/media/restamp.ts';
import { type Rtcp, unixOf, writeRtcp } from '../../src/proto/rtp/rtcp.ts';
import { RtpView } from '../../src/proto/rtp/rtp.ts';
import type { AnsweredMedia } from '../../src/proto/webrtc/answer.ts';
import { TRANSPORT_CC } from '../../src/proto/webrtc/extensions.ts';
import type { OfferedFormat, OfferedMedia } from '../../src/proto/webrtc/offer.ts';
import { Layer } from './layer.ts';
import { LayerCopies } from './layer-copies.ts';
import { KEYFRAME_EVERY_MS, LayerFeedback } from './layer-feedback.ts';
import { chooseLayer } from './layers.ts';
import type { LegMedia, MediaEvents } from './leg-media.ts';
import { takenAs } from './plan.ts';
import { Streams } from './streams.ts';

const REPORT_EVERY_MS = 1000;
const CHOOSE_EVERY_MS = 500;
/** A simulcast stream without a packet for so long was turned off. */
const DEAD_MS = 1500;
/** Without a picture for so long the camera is off: others see no frozen picture. */
const SILENT_MS = 5000;

export interface VideoPublisherOptions {
  readonly seat: Seat;
  readonly line: OfferedMedia;
  /** Of the line's, those to use, the best first. */
  readonly formats: readonly OfferedFormat[];
  readonly source: TrackSource;
  readonly syncGroup: string;
  /** Of our RTCP. */
  readonly ssrc: number;
  readonly cname: string;
  readonly events: MediaEvents;
  readonly now: Millis;
}

/** Pictures of a browser into its room: layer(s) ► the one that is published ► one line ► publication. */
export class VideoPublisher implements LegMedia {
  readonly #o: VideoPublisherOptions;
  readonly #layers: readonly Layer[];
  readonly #streams: Streams;
  readonly #back: LayerFeedback;
  readonly #view = new RtpView();
  readonly #out: MediaPacket = { seq: 0, pts: 0, marker: false, payload: new Uint8Array(0) };
  /** Of a simulcast. */
  readonly #copies: LayerCopies | undefined;
  readonly #line = new Restamp({ clockRate: 90_000, seq: 65_536, timestamp: 0 });
  #publication: Publication | undefined;
  /** What is published, and what will be from its next keyframe on. */
  #current: Layer | undefined;
  #target: Layer | undefined;
  /** Of the current layer: where its line begins, and published pts minus its own. */
  #firstSeq = 0;
  #offset = 0;
  #capBps = Number.POSITIVE_INFINITY;
  #reportAt: Millis;
  #chooseAt: Millis = Number.POSITIVE_INFINITY;
  #startedAt: Millis = Number.POSITIVE_INFINITY;
  #firstPacketMs: number | undefined;
  #muted = false;
  readonly #complaints = new PictureComplaints();
  #silent = false;

  constructor(o: VideoPublisherOptions) {
    this.#o = o;
    const rids = o.line.layers.length > 0 ? o.line.layers : [undefined];
    this.#layers = rids.map(
      rid =>
        new Layer({
          rid,
          formats: o.formats,
          out: (layer, packet, now) => this.#pass(layer, packet, now),
          formatChanged: layer => this.#formatChanged(layer),
          count: reason => this.#dropped(reason),
        }),
    );
    if (o.line.layers.length > 0)
      this.#copies = new LayerCopies({
        ...o,
        keyframe: layer => {
          this.#wantKey(layer);
          o.events.due();
        },
      });
    this.#back = new LayerFeedback(o);
    this.#streams = new Streams(this.#layers, o.line, o.formats);
    this.#reportAt = o.now + REPORT_EVERY_MS;
  }

  answer(line: OfferedMedia): AnsweredMedia | undefined {
    if (line !== this.#o.line) return undefined;
    return {
      direction: 'recvonly',
      formats: this.#o.formats.map(takenAs),
      extensions: [TRANSPORT_CC, ...this.#streams.extensions],
      feedback: ['nack', 'nack pli', 'ccm fir', 'transport-cc', 'goog-remb'],
      rtx: true,
      layers: line.layers,
    };
  }

  start(now: Millis): void {
    this.#startedAt = now;
    if (this.#layers.length > 1) this.#chooseAt = now + CHOOSE_EVERY_MS;
  }

  rtp(bytes: Uint8Array, now: Millis): void {
    const junk = this.#view.read(bytes);
    if (junk !== undefined) return this.#o.events.count(junk);
    const stream = this.#streams.of(this.#view);
    if (typeof stream === 'string') return this.#o.events.count(stream);
    const view = stream.original(this.#view);
    if (view !== undefined) stream.layer.rtp(view, stream.repairs, now);
  }

  rtcp(packets: readonly Rtcp[], now: Millis): void {
    for (const p of packets) {
      const layer = p.type === 'sr' ? this.#layers.find(l => l.receiver.ssrc === p.ssrc) : undefined;
      if (p.type !== 'sr' || layer === undefined) continue;
      layer.receiver.reception.senderReport(p.ntp, now);
      layer.report = { rtpTime: p.rtpTime, unixMs: unixOf(p.ntp) };
      if (layer === this.#current) this.#tieClock(layer);
      this.#copies?.clock(layer);
    }
  }

  get deadline(): Millis {
    let due = Math.min(this.#reportAt, this.#chooseAt, this.#silentAt);
    for (const layer of this.#layers) {
      due = Math.min(due, layer.nacks.deadline);
      if (layer.keyWanted) due = Math.min(due, layer.keyAskedAt + KEYFRAME_EVERY_MS);
    }
    return due;
  }

  tick(now: Millis): Buffer[] {
    if (now >= this.#silentAt) this.#fallSilent();
    if (now >= this.#chooseAt) this.#choose(now);
    const feedback = this.#layers.flatMap(layer => this.#back.ask(layer, now));
    const out = feedback.length > 0 ? [writeRtcp(feedback)] : [];
    if (now < this.#reportAt) return out;
    this.#reportAt = now + REPORT_EVERY_MS;
    for (const layer of this.#layers) layer.meter.tick(now);
    return [...out, writeRtcp(this.#back.reports(this.#layers, now)), ...this.#limits()];
  }

  bye(now: Millis): Buffer[] {
    return [writeRtcp([...this.#back.reports(this.#layers, now), { type: 'bye', ssrcs: [this.#o.ssrc] }])];
  }

  mute(media: 'audio' | 'video', on: boolean): void {
    if (media !== 'video') return;
    this.#muted = on;
    this.#publication?.pause(on || this.#silent);
    this.#copies?.mute(on);
    if (!on && this.#current) this.#wantKey(this.#current);
  }

  stats(): StreamStats[] {
    const shown = this.#current ?? this.#layers[0]!;
    const { totals, reception } = shown.receiver;
    return [
      {
        media: this.#o.source === 'screen' ? 'screen' : 'video',
        direction: 'in',
        codec: (shown.format ?? this.#o.formats[0]!.format).codec,
        how: shown.rid === undefined ? 'passthrough' : `passthrough of layer ${shown.rid}`,
        ...totals,
        jitterMs: reception.jitterMs,
        ...(this.#firstPacketMs !== undefined && { firstPacketMs: this.#firstPacketMs }),
        ...shown.meter.stats(shown.format),
        keyframesAsked: this.#layers.reduce((n, l) => n + l.meter.keyframesAsked, 0),
      },
    ];
  }

  close(): void {
    this.#copies?.close();
    this.#publication?.close();
  }

  // In.

  #pass(layer: Layer, p: MediaPacket, now: Millis): void {
    this.#heard(now);
    if (p.frame!.key && p.frame!.start) layer.keyWanted = false; // here it is
    const shown = layer === this.#current || this.#turnTo(layer, p);
    if (this.#copies !== undefined) this.#copy(this.#copies, layer, p, now);
    if (!shown) return;
    const line = this.#line;
    line.map(p, now);
    if (line.begins) this.#firstSeq = line.seq;
    else if (line.seq < this.#firstSeq) return; // late, and older than where this layer was turned to
    const out = this.#out;
    out.seq = line.seq;
    out.pts = line.timestamp;
    this.#offset = line.timestamp - p.pts;
    out.marker = p.marker;
    out.payload = p.payload;
    out.frame = p.frame!;
    if (line.begins) this.#tieClock(layer);
    if (!this.#muted) this.#publication?.sink(out, now);
  }

  /** True: from this packet on `layer` is published. Only at the beginning of a keyframe. */
  #turnTo(layer: Layer, p: MediaPacket): boolean {
    const waited = this.#current === undefined || layer === this.#target;
    if (!waited) return false;
    if (!(p.frame!.key && p.frame!.start)) {
      this.#wantKey(layer);
      return false;
    }
    this.#current = layer;
    this.#target = undefined;
    for (const other of this.#layers) other.repair(this.#matters(other));
    this.#line.restart();
    layer.meter.restart();
    const format = layer.format ?? this.#o.formats[0]!.format;
    if (this.#publication !== undefined) this.#publication.format(format);
    else {
      const { source, syncGroup, seat, line } = this.#o;
      const layers = line.layers.length > 0 ? { layers: line.layers } : {};
      this.#publication = seat.publish({ source, format, canKeyframe: true, syncGroup, ...layers }, f =>
        this.#feedback(f),
      );
      if (this.#muted) this.#publication.pause(true);
    }
    return true;
  }

  #copy(copies: LayerCopies, layer: Layer, p: MediaPacket, now: Millis): void {
    const begins = p.frame!.key && p.frame!.start && !copies.has(layer) && this.#isSmall(layer);
    copies.packet(begins ? this.#publication?.id : undefined, layer, p, now);
  }

  /** There is a larger one of the same. */
  #isSmall(layer: Layer): boolean {
    const size = pixelsOf(layer.format?.fmtp?.['x-size']);
    return size > 0 && this.#layers.some(l => pixelsOf(l.format?.fmtp?.['x-size']) > size);
  }

  /** Its losses are asked for. */
  #matters(layer: Layer): boolean {
    return layer === this.#current || layer === this.#target || this.#copies?.watched(layer) === true;
  }

  #formatChanged(layer: Layer): void {
    this.#copies?.formatChanged(layer);
    if (layer === this.#current) this.#publication?.format(layer.format!);
  }

  #dropped(reason: string): void {
    this.#o.events.count(reason);
    const complaint = this.#complaints.of(reason);
    if (complaint !== undefined) this.#o.events.note(complaint);
  }

  #heard(now: Millis): void {
    if (this.#firstPacketMs !== undefined && !this.#silent) return;
    this.#firstPacketMs ??= Math.round(now - this.#o.now);
    if (this.#silent && !this.#muted) this.#publication?.pause(false);
    this.#silent = false;
    this.#o.events.state('up');
  }

  #tieClock({ report, receiver }: Layer): void {
    if (report !== undefined)
      this.#publication?.clock(receiver.ptsOf(report.rtpTime) + this.#offset, report.unixMs);
  }

  get #silentAt(): Millis {
    if (this.#silent) return Number.POSITIVE_INFINITY;
    let heardAt = this.#startedAt;
    for (const layer of this.#layers) if (layer.heardAt > heardAt) heardAt = layer.heardAt;
    return heardAt + SILENT_MS;
  }

  #fallSilent(): void {
    this.#silent = true;
    this.#publication?.pause(true);
    this.#o.events.state('silent');
  }

  // Back.

  #feedback(f: Feedback): void {
    if (f.type === 'bitrate') {
      this.#capBps = f.bps;
      if (this.#copies === undefined) this.#reportAt = Number.NEGATIVE_INFINITY; // it is told at once
      return this.#o.events.due();
    }
    if (f.type !== 'keyframe' || this.#current === undefined) return;
    this.#wantKey(this.#current);
    this.#o.events.due();
  }

  #wantKey(layer: Layer): void {
    layer.keyWanted = true;
  }

  /** Once a limit was told it is told again and again, also that it is gone: reports get lost. */
  #limits(): Buffer[] {
    const media = this.#current?.receiver.ssrc;
    if (this.#copies !== undefined || media === undefined || this.#capBps === Number.POSITIVE_INFINITY)
      return [];
    return [this.#back.limit(media, this.#capBps)].flatMap(p => (p === undefined ? [] : [writeRtcp([p])]));
  }

  #choose(now: Millis): void {
    this.#chooseAt = now + CHOOSE_EVERY_MS;
    const facts = this.#layers.map(l => ({
      alive: now - l.heardAt < DEAD_MS,
      pixels: pixelsOf(l.format?.fmtp?.['x-size']),
      bps: l.meter.bps,
    }));
    for (const [i, layer] of this.#layers.entries()) {
      const { alive } = facts[i]!;
      this.#copies?.alive(layer, alive);
      if (alive && this.#copies?.has(layer) === false && this.#isSmall(layer)) this.#wantKey(layer);
    }
    const current = this.#current && this.#layers.indexOf(this.#current);
    if (current === undefined) return; // the first keyframe decides
    const best = this.#layers[chooseLayer(facts, current, this.#capBps)]!;
    this.#target = best === this.#current ? undefined : best;
    for (const layer of this.#layers) layer.repair(this.#matters(layer));
    if (this.#target !== undefined) this.#wantKey(this.#target);
  }
}

function pixelsOf(size: string | undefined): number {
  const [wide, high] = (size ?? '').split('x');
  return Number(wide) * Number(high) || 0;
}
