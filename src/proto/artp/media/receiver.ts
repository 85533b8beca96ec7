import type { Feedback, MediaPacket, Sink } from '../../../contract.ts';
import type { Millis } from '../../../kit/core.ts';
import { RedView } from '../../rtp/red.ts';
import { type RtpJunk, RtpView } from '../../rtp/rtp.ts';
import { KEY, LEVEL, MARKS, MAX_DATAGRAM, NONE, PacketShapes, REPAIRED } from '../header.ts';
import { tagBefore } from '../seen.ts';
import { Asker } from './asker.ts';
import { Flows } from './in-flows.ts';
import { type InFlow, InTrackStage } from './in-track.ts';
import { RED_TYPE, redPatternAt } from './red-header.ts';
import { RED_PATTERNS } from './red-patterns.ts';
import type { Recovered } from './repair-reader.ts';
import { epochOf, KIND, kindOf } from './ssrc.ts';
import type { Announcement, InTrack, PlaneOptions, Verdict } from './types.ts';

const TAG_BYTES = 16;

export type PlaneJunk =
  | RtpJunk
  | 'oversize'
  | 'not-media'
  /** Under keys that are over, or not yet begun. */
  | 'epoch'
  | 'too-old'
  | 'forged'
  /** Of a flow that has ended or was renewed: packets that were under way. */
  | 'late'
  | 'hold-full'
  | 'hold-expired'
  /** Of a flow that nobody hears. */
  | 'unheard'
  | 'bad-announcement'
  | 'red-bad'
  | 'rtx-bad'
  | 'repair-bad';

/** The receiving half of the plane: opens packets and hands each of a track on once, in order of arrival. */
export class PlaneReceiver {
  readonly #options: PlaneOptions;
  readonly #view = new RtpView();
  readonly #red = new RedView();
  readonly #shapes = new PacketShapes();
  readonly #plain = new Uint8Array(MAX_DATAGRAM);
  readonly #flows: Flows;
  readonly #asker: Asker;
  /** Of the last packet or tick: cores do not read clocks. */
  #now: Millis = 0;

  constructor(options: PlaneOptions) {
    this.#options = options;
    this.#flows = new Flows(options);
    this.#asker = new Asker(options);
  }

  set rttMs(ms: number) {
    this.#asker.rttMs = ms;
  }

  get deadline(): Millis {
    return Math.min(this.#asker.deadline, this.#flows.deadline);
  }

  hear(track: number, sink: Sink<MediaPacket>): InTrack {
    const stage = new InTrackStage(this, track, sink);
    for (const flow of this.#flows.hear(stage)) this.#bind(flow, stage);
    return stage;
  }

  announced(a: Announcement, now: Millis): void {
    this.#now = now;
    const flow = this.#flows.announced(a, now);
    const track = flow === undefined ? undefined : this.#flows.track(a.track);
    if (flow !== undefined && track !== undefined) this.#bind(flow, track);
  }

  /** One sealed packet, without trailer. Junk is counted, never thrown. */
  receive(packet: Uint8Array, now: Millis): Verdict {
    this.#now = now;
    const verdict = this.#receive(packet, now);
    if (verdict === 'opened' || verdict === 'known') return verdict;
    this.#options.count(verdict);
    return 'junk';
  }

  tick(now: Millis): void {
    this.#now = now;
    this.#flows.tick(now);
    this.#asker.tick(now);
  }

  request(track: InTrackStage, f: Feedback): void {
    track.requests.ask(f, this.#now);
    this.#asker.request(track, this.#now);
  }

  forget(flow: InFlow): void {
    this.#flows.forget(flow);
    this.#asker.forget(flow);
  }

  close(track: InTrackStage): void {
    this.#flows.close(track);
    this.#asker.close(track);
  }

  #bind(flow: InFlow, track: InTrackStage): void {
    const held = this.#flows.take(flow);
    flow.bind(track);
    for (const packet of held) {
      const junk = this.#view.read(packet) ?? this.#open(packet);
      if (junk !== undefined) this.#options.count(junk);
      else this.#deliver(flow, track, packet.length - TAG_BYTES, this.#now);
    }
    this.#asker.bound(track, this.#now);
  }

  #receive(packet: Uint8Array, now: Millis): 'opened' | 'known' | PlaneJunk {
    if (packet.length > MAX_DATAGRAM) return 'oversize';
    const view = this.#view;
    const junk = view.read(packet);
    if (junk !== undefined) return junk;
    // No padding, no CSRCs: ours never have them, and behind the seal a padding count could not be read here.
    if (((packet[0] as number) & 0x2f) !== 0) return 'padding';
    if (view.payloadStart + TAG_BYTES > packet.length) return 'short';
    const { ssrc, seq } = view;
    const kind = kindOf(ssrc);
    if (kind === KIND.rtcp) return 'not-media';
    const flow = this.#flows.get(ssrc);
    if (flow?.track === undefined) return this.#stranger(flow, packet, kind, now);
    const tag = tagBefore(packet, packet.length);
    const known = flow.check(kind, seq, tag);
    if (known !== 'new') {
      if (known === 'known') flow.track.repeated++;
      return known;
    }
    const forged = this.#open(packet);
    if (forged !== undefined) return forged;
    flow.accept(kind, seq, tag, this.#brings(kind));
    this.#options.keys.opened(epochOf(ssrc), now);
    const bad = this.#deliver(flow, flow.track, packet.length - TAG_BYTES, now);
    if (bad !== undefined) this.#options.count(bad);
    return 'opened';
  }

  /** The packet in #view may bring other packets than its own. */
  #brings(kind: number): boolean {
    return kind !== KIND.media || this.#view.payloadType === RED_TYPE;
  }

  /** Decrypts the packet in #view into #plain. A flow never wraps: its rollover counter is 0. */
  #open(packet: Uint8Array): 'epoch' | 'forged' | undefined {
    const { payloadStart, ssrc, seq } = this.#view;
    const cipher = this.#options.keys.opener(epochOf(ssrc), 'rtp');
    if (cipher === undefined) return 'epoch';
    return cipher.open(packet, payloadStart, this.#plain, ssrc, 0, seq) ? undefined : 'forged';
  }

  /** Of a flow not announced yet, or that nobody hears yet: authentic packets wait. */
  #stranger(
    flow: InFlow | undefined,
    packet: Uint8Array,
    kind: number,
    now: Millis,
  ): 'opened' | 'known' | PlaneJunk {
    const { ssrc, seq } = this.#view;
    if (flow === undefined && this.#flows.isOver(ssrc)) return 'late';
    const tag = tagBefore(packet, packet.length);
    const known = flow?.check(kind, seq, tag) ?? 'new';
    if (known !== 'new') return known;
    const isDeaf = flow?.deaf === true;
    if (!isDeaf && !this.#flows.hasRoom(packet.length)) return 'hold-full';
    const forged = this.#open(packet);
    if (forged !== undefined) return forged;
    this.#options.keys.opened(epochOf(ssrc), now);
    const into = flow ?? this.#flows.make(ssrc, now);
    into.accept(kind, seq, tag, this.#brings(kind));
    // What nobody wants has come all the same: it is not to be told of as lost.
    if (isDeaf) this.#options.count('unheard');
    else this.#flows.hold(into, packet);
    return 'opened';
  }

  /** The opened packet stands in #plain up to `end`, its header in #view. */
  #deliver(flow: InFlow, track: InTrackStage, end: number, now: Millis): PlaneJunk | undefined {
    const view = this.#view;
    const before = track.packets;
    let junk: PlaneJunk | undefined;
    switch (kindOf(view.ssrc)) {
      case KIND.media:
        if (view.payloadType === RED_TYPE) junk = this.#redundant(flow, track, end, now);
        else this.#original(flow, track, view.seq, view.payloadStart, end, true, now);
        break;
      case KIND.rtx:
        junk = this.#resent(flow, track, end, now);
        break;
      default:
        junk = this.#repair(flow, track, end, now);
    }
    if (flow.gaps !== undefined && track.packets > before) this.#asker.watch(flow);
    return junk;
  }

  /** Level, marks and marker are those of the packet in #view. */
  #original(
    flow: InFlow,
    track: InTrackStage,
    seq: number,
    start: number,
    end: number,
    isOriginal: boolean,
    now: Millis,
  ): void {
    if (!flow.take(seq, isOriginal, now)) {
      track.repeated++;
      return;
    }
    if (!isOriginal) track.recovered++;
    const view = this.#view;
    const levelAt = view.extension(LEVEL);
    const marksAt = view.extension(MARKS);
    const level = levelAt < 0 ? NONE : (view.bytes[levelAt] as number) & 0x7f;
    const marks = marksAt < 0 ? NONE : (view.bytes[marksAt] as number);
    const p = this.#shapes.with(level, marks, view.marker);
    p.payload = this.#plain.subarray(start, end);
    this.#pass(flow, track, p, marks, seq, view.timestamp, now);
  }

  #repair(flow: InFlow, track: InTrackStage, end: number, now: Millis): PlaneJunk | undefined {
    if (track.kind !== 'video') return 'repair-bad';
    const { seq, timestamp, payloadStart } = this.#view;
    return track.repairer().repair(flow.key, seq, timestamp, this.#plain, payloadStart, end, now);
  }

  #resent(flow: InFlow, track: InTrackStage, end: number, now: Millis): PlaneJunk | undefined {
    const at = this.#view.payloadStart;
    if (at + 2 > end) return 'rtx-bad';
    const seq = ((this.#plain[at] as number) << 8) | (this.#plain[at + 1] as number);
    this.#original(flow, track, seq, at + 2, end, false, now);
    return undefined;
  }

  /** Earlier packets first, so that what they fill in comes before the primary. */
  #redundant(flow: InFlow, track: InTrackStage, end: number, now: Millis): PlaneJunk | undefined {
    const view = this.#view;
    const red = this.#red;
    const { seq, timestamp } = view;
    const junk = red.read(this.#plain, view.payloadStart, end) === undefined ? undefined : 'red-bad';
    if (junk !== undefined) return junk;
    const patternAt = redPatternAt(view, red.blocks);
    const pattern = patternAt < 0 ? undefined : RED_PATTERNS[view.bytes[patternAt] as number];
    if (pattern === undefined || red.blocks > pattern.length) return 'red-bad';
    const hasLevel = view.extension(LEVEL) >= 0;
    const { blocks, primaryStart } = red;
    for (let i = 0; i < blocks; i++) {
      const earlier = seq - (pattern[blocks - 1 - i] as number);
      const length = red.lengths[i] as number;
      if (length === 0 || earlier < 0 || !flow.take(earlier, false, now)) continue;
      track.recovered++;
      const told = view.bytes[patternAt + 1 + i] as number;
      const p = this.#shapes.with(hasLevel ? told & 0x7f : NONE, NONE, (told & 0x80) !== 0);
      const start = red.starts[i] as number;
      p.payload = this.#plain.subarray(start, start + length);
      this.#pass(flow, track, p, NONE, earlier, timestamp - (red.offsets[i] as number), now);
    }
    this.#original(flow, track, seq, primaryStart, end, true, now);
    return undefined;
  }

  /** From a repair packet. */
  handRecovered(flow: InFlow, r: Recovered, now: Millis): void {
    const { track } = flow;
    if (track === undefined || !flow.take(r.seq, false, now)) return;
    track.recovered++;
    const p = this.#shapes.with(NONE, r.marks, r.marker);
    p.payload = r.payload;
    this.#pass(flow, track, p, r.marks, r.seq, r.timestamp, now);
  }

  /** `marks`: as they stood in the header. */
  #pass(
    flow: InFlow,
    track: InTrackStage,
    p: MediaPacket,
    marks: number,
    seq: number,
    timestamp: number,
    now: Millis,
  ): void {
    p.seq = seq + flow.seqOffset;
    p.pts = timestamp + flow.ptsOffset;
    track.packets++;
    if (marks < 0) return track.sink(p, now);
    track.frames.note(seq, timestamp, marks);
    if (marks & KEY) track.requests.keyframe();
    if ((marks & REPAIRED) !== 0) track.keep(flow, seq, timestamp, marks, p, now);
    track.sink(p, now);
    if ((marks & REPAIRED) !== 0) track.repair?.source(flow.key, seq, now);
  }
}
