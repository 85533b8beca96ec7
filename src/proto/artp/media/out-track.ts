import type { Feedback, MediaPacket, Millis, Sink } from '../../../contract.ts';
import { writeRtpHeader } from '../../rtp/rtp.ts';
import {
  AUDIO_TYPE,
  MAX_DATAGRAM,
  marksByte,
  NONE,
  REPAIRED,
  VIDEO_TYPE,
  writeElements,
  writeHeader,
} from '../header.ts';
import { History, KEPT_MS } from './history.ts';
import type { OutFlow } from './out-flow.ts';
import { policyName } from './policy-name.ts';
import type { VideoPolicy } from './policy-types.ts';
import { RedHandover } from './red-handover.ts';
import { RepairWriter } from './repair-writer.ts';
import type { SendingTrack, SendLine } from './send-line.ts';
import { KIND, withKind } from './ssrc.ts';
import type { MediaKind, OutStats, OutTrack } from './types.ts';

/** Payload type of a packet sent again (RFC 4588): the original sequence number, then the original payload. */
const RTX_TYPE = 99;
/** Header, tag and what RTX and repair put before a payload. */
const MAX_PAYLOAD = MAX_DATAGRAM - 64;
const HISTORY = {
  audio: { packets: 128, bytes: 256 * 1024 },
  video: { packets: 512, bytes: 1024 * 1024 },
} as const;
/** Who asks for more packets than this for each one sent, over a burst, is not served. */
const RTX_PER_PACKET = 2;
const RTX_BURST = 256;
/** Two requests for a keyframe within this are one, ms. */
const KEYFRAME_GAP_MS = 100;

/** One track on its way out: a chain stage, `sink` its entry. */
export class OutTrackStage implements OutTrack, SendingTrack {
  readonly track: number;
  readonly kind: MediaKind;
  readonly clockRate: number;
  readonly sink: Sink<MediaPacket> = (p, now) => this.#send(p, now);
  readonly #line: SendLine;
  readonly #on: (f: Feedback) => void;
  #closed = false;
  #flow: OutFlow | undefined;
  /** The flow before: what it lost may still be asked for. */
  #last: OutFlow | undefined;
  #renew = false;
  /** Of what is to be made redundant: none, none is kept. */
  #history: History | undefined;
  #repair: RepairWriter | undefined;
  readonly #handover = new RedHandover();
  #rtxCredit = RTX_BURST;
  #seq = -1;
  #pts = 0;
  #bps = -1;
  #paused = false;
  #keyframeAt: Millis = Number.NEGATIVE_INFINITY;
  #packets = 0;
  #bytes = 0;
  #redundancyBytes = 0;
  #retransmitted = 0;
  #repairPackets = 0;
  #frames = 0;

  constructor(line: SendLine, track: number, kind: MediaKind, clockRate: number, on: (f: Feedback) => void) {
    this.#line = line;
    this.track = track;
    this.kind = kind;
    this.clockRate = clockRate;
    this.#on = on;
  }

  get stats(): OutStats {
    const { audio, video } = this.#line;
    return {
      packets: this.#packets,
      bytes: this.#bytes,
      redundancyBytes: this.#redundancyBytes,
      retransmitted: this.#retransmitted,
      repairPackets: this.#repairPackets,
      frames: this.#frames,
      policy: policyName(this.kind === 'audio' ? audio : video),
    };
  }

  renew(): void {
    this.#renew = true;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#flow !== undefined) this.#line.forget(this.#flow);
    if (this.#last !== undefined) this.#line.forget(this.#last);
    this.#flow = this.#last = this.#history = this.#repair = undefined;
  }

  /** The other side wants something of the source. */
  told(f: Feedback, now: Millis): void {
    if (f.type === 'keyframe') {
      if (now - this.#keyframeAt < KEYFRAME_GAP_MS) return;
      this.#keyframeAt = now;
    } else if (f.type === 'bitrate') {
      if (f.bps === this.#bps) return;
      this.#bps = f.bps;
    } else {
      if (f.on === this.#paused) return;
      this.#paused = f.on;
    }
    this.#on(f);
  }

  /** The other side asks for packets of a flow of this track again. */
  asked(ssrc: number, seqs: readonly number[], now: Millis): void {
    const flow = this.#flow?.ssrc === ssrc ? this.#flow : this.#last;
    const { audio, video } = this.#line;
    const copies = this.kind === 'audio' ? (audio.nack ? 1 : 0) : video.nackCopies;
    if (flow?.ssrc !== ssrc || this.#history === undefined || copies === 0) return;
    for (const seq of seqs) {
      if (this.#rtxCredit < 1) return this.#line.count('rtx-limit');
      this.#resend(flow, this.#history, seq, copies, now);
    }
  }

  #send(p: MediaPacket, now: Millis): void {
    if (this.#closed) return;
    const line = this.#line;
    if (p.payload.length > MAX_PAYLOAD) return line.count('oversize');
    const flow = this.#flowFor(p, now);
    if (flow === undefined) return line.count('epoch-full');
    const seq = flow.seqOf(p);
    if (!flow.take(seq)) return line.count('duplicate');
    this.#packets++;
    this.#bytes += p.payload.length;
    if (this.#rtxCredit < RTX_BURST) this.#rtxCredit += RTX_PER_PACKET;
    line.meters[this.kind].add(p.payload.length, now);
    if (this.kind === 'audio') this.#sendAudio(flow, p, seq, now);
    else this.#sendVideo(flow, p, seq, now);
  }

  #sendAudio(flow: OutFlow, p: MediaPacket, seq: number, now: Millis): void {
    const line = this.#line;
    const { out, red, audio } = line;
    const pattern = this.#handover.pattern(audio.pattern);
    const timestamp = flow.timestampOf(p);
    this.#measure(p);
    const history = pattern > 0 || audio.nack ? this.#kept() : undefined;
    let headerBytes = 0;
    // Sound has no frame marks; if some has, there is no place for them beside the blocks.
    if (pattern > 0 && history !== undefined && p.frame === undefined)
      headerBytes = red.build(out, history, flow.key, pattern, p, seq, timestamp, flow.ssrc, now);
    const payload = headerBytes === 0 ? p.payload : red.payload();
    this.#redundancyBytes += payload.length - p.payload.length;
    if (headerBytes === 0) headerBytes = writeHeader(out, p, AUDIO_TYPE, seq, timestamp, flow.ssrc);
    this.#emit(flow, headerBytes, payload, seq, audio.copies, audio.twoPaths, now);
    const marks = p.frame === undefined ? NONE : marksByte(p.frame);
    if (history !== undefined) this.#keep(history, flow, p, marks, seq, timestamp, now);
  }

  #sendVideo(flow: OutFlow, p: MediaPacket, seq: number, now: Millis): void {
    const { out, video } = this.#line;
    const timestamp = flow.timestampOf(p);
    // There is no place for a level in a repair packet, and no picture has one.
    const repaired = hasRepair(video) && p.frame !== undefined && p.level === undefined;
    let marks = p.frame === undefined ? NONE : marksByte(p.frame);
    if (repaired) marks |= REPAIRED;
    writeRtpHeader(out, VIDEO_TYPE, p.marker, seq, timestamp, flow.ssrc);
    const headerBytes = writeElements(out, p.level ?? NONE, marks);
    this.#emit(flow, headerBytes, p.payload, seq, video.copies, video.twoPaths, now);
    if (p.frame?.start) {
      this.#frames++;
      this.#line.meters.video.frame(p.frame.temporal > 0);
    }
    if (video.nackCopies > 0 || repaired) this.#keep(this.#kept(), flow, p, marks, seq, timestamp, now);
    if (repaired) this.#repairer().note(flow, seq, timestamp, p, now);
    else this.#repair = undefined;
  }

  #emit(
    flow: OutFlow,
    headerBytes: number,
    payload: Uint8Array,
    seq: number,
    copies: number,
    twoPaths: boolean,
    now: Millis,
  ): void {
    const line = this.#line;
    line.spend();
    const length = flow.cipher.seal(line.out, headerBytes, payload, flow.ssrc, 0, seq);
    this.#redundancyBytes += (copies - 1) * length;
    line.emit(line.out, length, copies, twoPaths, now, this.kind === 'audio' && line.audio.atOnce);
  }

  /** RFC 4588 §4: its own SSRC and sequence; marker, timestamp and header extensions of the original. */
  #resend(flow: OutFlow, history: History, seq: number, copies: number, now: Millis): void {
    const line = this.#line;
    const at = history.find(flow.key, seq);
    if (at < 0 || now - (history.times[at] as number) > KEPT_MS) return;
    // Requests are repeated; the answer to the first may still be under way.
    if (now - (history.resent[at] as number) < line.rttMs * 0.8) return;
    const rtx = flow.nextRtx();
    if (rtx < 0) return line.count('rtx-limit');
    history.resent[at] = now;
    this.#rtxCredit--;
    const { extra } = line;
    const ssrc = withKind(flow.ssrc, KIND.rtx);
    const timestamp = history.timestamps[at] as number;
    writeRtpHeader(extra, RTX_TYPE, history.markers[at] === 1, rtx, timestamp, ssrc);
    const headerBytes = writeElements(extra, history.levels[at] as number, history.marks[at] as number);
    const payload = line.scratch.subarray(0, 2 + history.length(at));
    payload[0] = seq >>> 8;
    payload[1] = seq & 255;
    payload.set(history.payload(at), 2);
    line.spend();
    const length = flow.cipher.seal(extra, headerBytes, payload, ssrc, 0, rtx);
    this.#retransmitted++;
    this.#redundancyBytes += copies * length;
    line.emit(extra, length, copies, this.kind === 'video' && line.video.twoPaths, now);
  }

  #flowFor(p: MediaPacket, now: Millis): OutFlow | undefined {
    const flow = this.#flow;
    if (flow !== undefined && !this.#renew && flow.tells(p) && this.#line.isCurrent(flow)) return flow;
    const next = this.#line.begin(this, p.seq, p.pts, now);
    if (next === undefined) return undefined;
    this.#repair?.flush(now);
    if (this.#last !== undefined) this.#line.forget(this.#last);
    this.#last = flow;
    this.#flow = next;
    this.#renew = false;
    return next;
  }

  #kept(): History {
    const { packets, bytes } = HISTORY[this.kind];
    return (this.#history ??= new History(packets, bytes));
  }

  #keep(
    history: History,
    flow: OutFlow,
    p: MediaPacket,
    marks: number,
    seq: number,
    timestamp: number,
    now: Millis,
  ): void {
    history.put(flow.key, seq, timestamp, p.level ?? NONE, marks, p.marker, p.payload, now);
  }

  #repairer(): RepairWriter {
    return (this.#repair ??= new RepairWriter(this.#line, this.#kept(), bytes => {
      this.#repairPackets++;
      this.#redundancyBytes += bytes;
    }));
  }

  #measure(p: MediaPacket): void {
    const ms = ((p.pts - this.#pts) * 1000) / this.clockRate;
    if (p.seq === this.#seq + 1 && ms > 0 && ms <= 120) this.#line.packetMs = ms;
    this.#seq = p.seq;
    this.#pts = p.pts;
  }
}

const hasRepair = ({ repair }: VideoPolicy): boolean => repair[0] > 0 || repair[1] > 0 || repair[2] > 0;
