import type { Feedback, MediaPacket, Millis, Sink } from '../../../contract.ts';
import { ReplayWindow } from '../../rtp/srtp/replay.ts';
import { NONE } from '../header.ts';
import { Seen } from '../seen.ts';
import { FIRST_SEQ, FIRST_TIMESTAMP, FLOW_WINDOW } from './flow-start.ts';
import { FrameMeter } from './frame-meter.ts';
import { Gaps } from './gaps.ts';
import { History } from './history.ts';
import { type Recovered, RepairReader } from './repair-reader.ts';
import { Requests } from './requests.ts';
import { flowKey, KIND, withKind } from './ssrc.ts';
import type { Announcement, InStats, InTrack, MediaKind } from './types.ts';

/** What a track needs of the plane it is heard on. */
interface Listening {
  request(track: InTrackStage, f: Feedback): void;
  forget(flow: InFlow): void;
  close(track: InTrackStage): void;
  handRecovered(flow: InFlow, r: Recovered, now: Millis): void;
}

const PICTURES = { packets: 256, bytes: 1024 * 1024 } as const;

/** One track of the other side: its current flow, and the one before, whose last packets may still be under way. */
export class InTrackStage implements InTrack {
  readonly track: number;
  readonly sink: Sink<MediaPacket>;
  readonly requests = new Requests();
  readonly frames = new FrameMeter();
  readonly #plane: Listening;
  /** Of packets for which repair packets follow: what lost ones are computed from. */
  #pictures: History | undefined;
  repair: RepairReader | undefined;
  kind: MediaKind = 'audio';
  #flow: InFlow | undefined;
  #last: InFlow | undefined;
  packets = 0;
  recovered = 0;
  repeated = 0;
  /** Of flows that are over. */
  #lost = 0;
  #asked = 0;

  constructor(plane: Listening, track: number, sink: Sink<MediaPacket>) {
    this.#plane = plane;
    this.track = track;
    this.sink = sink;
  }

  get stats(): InStats {
    return {
      packets: this.packets,
      recovered: this.recovered,
      lost: this.#lost + (this.#last?.lost ?? 0) + (this.#flow?.lost ?? 0),
      repeated: this.repeated,
      asked: this.#asked + (this.#last?.gaps?.asked ?? 0) + (this.#flow?.gaps?.asked ?? 0),
      frames: this.frames.complete,
    };
  }

  /** Media SSRC of the current flow; undefined before the first. */
  get ssrc(): number | undefined {
    return this.#flow?.ssrc;
  }

  feedback(f: Feedback): void {
    this.#plane.request(this, f);
  }

  /** The next flow was announced; the one before the last is over. */
  begin(flow: InFlow, kind: MediaKind): void {
    this.#drop(this.#last);
    this.#last = this.#flow;
    this.#flow = flow;
    this.kind = kind;
    this.frames.reset();
  }

  renew(): void {
    this.#drop(this.#last);
    this.#drop(this.#flow);
    this.#flow = this.#last = undefined;
  }

  close(): void {
    this.renew();
    this.#plane.close(this);
    this.#pictures = this.repair = undefined;
  }

  /** A packet for which repair packets will come was handed on. Its payload is copied. */
  keep(flow: InFlow, seq: number, timestamp: number, marks: number, p: MediaPacket, now: Millis): void {
    this.repairer();
    this.#pictures?.put(flow.key, seq, timestamp, NONE, marks, p.marker, p.payload, now);
  }

  /** Made when the first packet of a repaired frame comes, or the first repair packet. */
  repairer(): RepairReader {
    if (this.repair !== undefined) return this.repair;
    this.#pictures = new History(PICTURES.packets, PICTURES.bytes);
    return (this.repair = new RepairReader(this.#pictures, this.#handRecovered));
  }

  #drop(flow: InFlow | undefined): void {
    if (flow === undefined) return;
    this.#lost += flow.lost;
    this.#asked += flow.gaps?.asked ?? 0;
    this.#plane.forget(flow);
  }

  readonly #handRecovered = (r: Recovered, now: Millis): void => {
    const flow = this.#last?.key === r.flow ? this.#last : this.#flow;
    if (flow?.key === r.flow) this.#plane.handRecovered(flow, r, now);
  };
}

/** One flow of the other side: which packets were opened, which were handed on. */
export class InFlow {
  /** Of its media. */
  readonly ssrc: number;
  readonly key: number;
  /** When it was first heard of: from then on its packets wait. */
  readonly since: Millis;
  /** Sealed copies that wait until the flow is announced and heard, in order of arrival. */
  held: Uint8Array[] = [];
  announcement: Announcement | undefined;
  /** Whose it is; undefined while nobody hears it. */
  track: InTrackStage | undefined;
  /** Waited long enough for somebody to hear it. */
  deaf = false;
  seqOffset = 0;
  ptsOffset = 0;
  gaps: Gaps | undefined;
  /** Packets handed on, and the highest number of them. */
  handed = 0;
  highest = FIRST_SEQ - 1;
  /** Sequence numbers of packets opened, each kind its own. */
  readonly #media = new Seen(FLOW_WINDOW);
  #rtx: Seen | undefined;
  #repair: Seen | undefined;
  /** Of packets handed on. Undefined while these are those opened: until something comes by another packet than its own. */
  #known: ReplayWindow | undefined;

  constructor(ssrc: number, since: Millis) {
    this.ssrc = withKind(flowKey(ssrc) >>> 0, KIND.media);
    this.key = flowKey(ssrc);
    this.since = since;
  }

  bind(track: InTrackStage): void {
    const { announcement } = this;
    if (announcement === undefined) return;
    this.track = track;
    this.seqOffset = announcement.seq - FIRST_SEQ;
    this.ptsOffset = announcement.pts - FIRST_TIMESTAMP;
    // What was opened so far has waited, and was not handed on.
    if (this.#media.highest >= 0) this.#known = new ReplayWindow(FLOW_WINDOW);
  }

  /** Was a packet of this kind and number opened before, and is this a copy of it? Looked at before it is decrypted. */
  check(kind: number, seq: number, tag: number): ReturnType<Seen['check']> {
    if (kind === KIND.media) return this.#media.check(seq, tag);
    return (kind === KIND.rtx ? this.#rtx : this.#repair)?.check(seq, tag) ?? 'new';
  }

  /** It was authentic. `brings`: it may bring other packets than its own. */
  accept(kind: number, seq: number, tag: number, brings: boolean): void {
    if (brings && this.#known === undefined) this.#known = this.#media.window();
    if (kind === KIND.media) this.#media.accept(seq, tag);
    else if (kind === KIND.rtx) (this.#rtx ??= new Seen(FLOW_WINDOW)).accept(seq, tag);
    else (this.#repair ??= new Seen(FLOW_WINDOW)).accept(seq, tag);
  }

  /** True once for each number of the media: it is to be handed on. `original`: it came of itself, and was accepted. */
  take(seq: number, original: boolean, now: Millis): boolean {
    const known = this.#known;
    if (known !== undefined) {
      if (known.check(seq) !== 'new') return false;
      known.accept(seq);
    }
    this.handed++;
    // The first hole makes the list; until then nothing is written down.
    if (this.gaps === undefined && seq > this.highest + 1) this.gaps = new Gaps(this.highest);
    this.gaps?.came(seq, original, now);
    if (seq > this.highest) this.highest = seq;
    return true;
  }

  /** Numbers up to the highest that never were handed on. */
  get lost(): number {
    return Math.max(0, this.highest - FIRST_SEQ + 1 - this.handed);
  }
}
