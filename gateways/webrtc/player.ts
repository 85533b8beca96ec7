import type {
  Format,
  MediaPacket,
  Millis,
  Seat,
  StreamStats,
  Subscription,
  TrackEvent,
  Want,
} from '../../src/contract.ts';
import { RateLimit } from '../../src/kit/limits.ts';
import type { Rtcp } from '../../src/proto/rtp/rtcp.ts';
import { RTP_HEADER_BYTES } from '../../src/proto/rtp/rtp.ts';
import type { RtpSession } from '../../src/proto/rtp/session.ts';
import type { AnsweredMedia } from '../../src/proto/webrtc/answer.ts';
import type { OfferedMedia } from '../../src/proto/webrtc/offer.ts';
import { History } from './history.ts';
import type { LegMedia, MediaEvents, Wire } from './leg-media.ts';
import { offeredAs } from './plan.ts';

const PTIME_MS = 20;
/** Packets sent again, a second and at once: loss is repaired, an echo chamber is not built. */
const RESENDS_PER_SECOND = 100;

export interface PlayerOptions {
  readonly seat: Seat;
  readonly lines: readonly OfferedMedia[];
  /** Hear this member only. */
  readonly member: string | undefined;
  readonly cname: string;
  readonly makeSession: () => RtpSession;
  readonly wire: Wire;
  readonly events: MediaEvents;
  /** Another member is on some line. */
  readonly changed: () => void;
}

interface Slot {
  readonly line: OfferedMedia;
  readonly session: RtpSession;
  readonly want: Want;
  readonly history: History | undefined;
  subscription: Subscription | undefined;
  /** What is played now; undefined: nothing, or nothing this line can carry. */
  format: Format | undefined;
  how: string;
  member: string | undefined;
}

/** Sound of a room to a browser, one line a slot: subscription ► restamp ► seal ► history. */
export class Player implements LegMedia {
  readonly #o: PlayerOptions;
  readonly #slots: Slot[];
  readonly #resends = new RateLimit(RESENDS_PER_SECOND, RESENDS_PER_SECOND);

  constructor(o: PlayerOptions) {
    this.#o = o;
    const lines = o.member === undefined ? o.lines : o.lines.slice(0, 1);
    this.#slots = lines.map((line, i) => ({
      line,
      session: o.makeSession(),
      want: wantOf(line, o.member, i, lines.length),
      history: line.formats.some(f => f.feedback.includes('nack')) ? new History() : undefined,
      subscription: undefined,
      format: undefined,
      how: 'idle',
      member: undefined,
    }));
  }

  answer(line: OfferedMedia): AnsweredMedia | undefined {
    const at = this.#slots.findIndex(s => s.line === line);
    const slot = this.#slots[at];
    if (slot === undefined) return undefined;
    const source = { ssrc: slot.session.sender.ssrc, cname: this.#o.cname, stream: `slot-${at}` };
    return { direction: 'sendonly', formats: line.formats, extensions: [], feedback: ['nack'], source };
  }

  start(): void {
    for (const slot of this.#slots) {
      slot.session.sender.sent.timeOf = pts => slot.subscription?.timeOf(pts);
      slot.subscription = this.#o.seat.want(
        slot.want,
        (packet, now) => {
          try {
            this.#send(slot, packet, now);
          } catch (error) {
            this.#o.events.failed(error);
          }
        },
        event => this.#event(slot, event),
      );
    }
    this.#o.events.state('up');
  }

  rtp(): void {
    this.#o.events.count('rtp-from-player');
  }

  rtcp(packets: readonly Rtcp[], now: Millis): void {
    for (const p of packets) {
      if (p.type === 'nack') this.#again(p.media, p.lost, now);
      if (p.type !== 'sr' && p.type !== 'rr') continue;
      for (const r of p.reports) this.#slotOf(r.ssrc)?.session.sender.sent.reported(r, now);
    }
  }

  get deadline(): Millis {
    return this.#slots.reduce((d, s) => Math.min(d, s.session.deadline), Number.POSITIVE_INFINITY);
  }

  tick(now: Millis): Buffer[] {
    return this.#slots.filter(s => now >= s.session.deadline).map(s => s.session.report(now));
  }

  bye(now: Millis): Buffer[] {
    return this.#slots.map(s => s.session.bye(now));
  }

  /** A player has nothing to mute. */
  mute(): void {}

  /** Whom each line plays. */
  get members(): readonly (string | null)[] {
    return this.#slots.map(s => s.member ?? null);
  }

  stats(): StreamStats[] {
    return this.#slots.map(({ session: { sender }, line, format, how, member }) => {
      const { packets, bytes, lost, jitterMs, rttMs } = sender.sent;
      return {
        media: 'audio',
        direction: 'out',
        codec: (format ?? line.formats[0]!.format).codec,
        how: member === undefined ? how : `${how} of ${member}`,
        packets,
        bytes,
        ...(lost !== undefined && { lost }),
        ...(jitterMs !== undefined && { jitterMs }),
        ...(rttMs !== undefined && { rttMs }),
      };
    });
  }

  close(): void {
    for (const slot of this.#slots) slot.subscription?.close();
  }

  #send(slot: Slot, packet: MediaPacket, now: Millis): void {
    if (slot.format === undefined) return;
    const out = this.#o.wire.slot();
    if (slot.session.sender.write(packet, out, now) === 0) return this.#o.events.count('out-unsendable');
    const length = this.#o.wire.send(out, RTP_HEADER_BYTES, packet.payload);
    if (length > 0) slot.history?.put((out[2]! << 8) | out[3]!, out.subarray(0, length));
  }

  #event(slot: Slot, e: TrackEvent): void {
    if (e.type === 'lacking') return this.#o.events.note(e.why.text ?? e.why.reason);
    const before = slot.member;
    this.#play(slot, e);
    if (slot.member !== before) this.#o.changed();
  }

  #play(slot: Slot, e: Exclude<TrackEvent, { type: 'lacking' }>): void {
    slot.member = undefined;
    slot.format = undefined;
    slot.how = 'idle';
    if (e.type === 'idle') return;
    if (e.type === 'unserved') {
      slot.how = `unserved: ${e.why.reason}`;
      return this.#o.events.note(e.why.text ?? e.why.reason);
    }
    const offered = offeredAs(slot.line.formats, e.format);
    if (offered === undefined) return this.#o.events.count('format-not-negotiated');
    slot.format = e.format;
    slot.how = e.how;
    slot.member = e.track?.participant;
    slot.session.sender.format(offered.payloadType, e.format.clockRate);
  }

  #slotOf(ssrc: number): Slot | undefined {
    return this.#slots.find(s => s.session.sender.ssrc === ssrc);
  }

  #again(ssrc: number, lost: readonly number[], now: Millis): void {
    const history = this.#slotOf(ssrc)?.history;
    if (history === undefined) return this.#o.events.count('nack-unknown');
    for (const seq of lost) {
      const sealed = history.get(seq);
      if (sealed === undefined) this.#o.events.count('nack-too-late');
      else if (this.#resends.take(now)) this.#o.wire.resend(sealed);
      else this.#o.events.count('nack-too-many');
    }
  }
}

function wantOf(line: OfferedMedia, member: string | undefined, slot: number, of: number): Want {
  const accept = line.formats.map(f => f.format);
  if (member !== undefined) return { kind: 'member', participant: member, source: 'mic', accept };
  if (of > 1) return { kind: 'loudest', slot, of, accept };
  return { kind: 'mix', codec: accept[0]!, ptimeMs: PTIME_MS };
}
