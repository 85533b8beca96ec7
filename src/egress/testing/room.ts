/** A room for egress's tests: sources that speak on a virtual clock, and ears that keep what they hear. */

import type {
  Feedback,
  Format,
  FrameMark,
  MediaPacket,
  Subscription,
  TrackEvent,
  TrackInfo,
  Want,
} from '../../contract.ts';
import type { Sink } from '../../kit/core.ts';
import type {
  ClockSink,
  Layout,
  Pull,
  RoomSource,
  SourceEvent,
  TrackState,
} from '../../media/room-source.ts';
import { type AudioEncoder, BLOCK_MS, type PcmRate, realCodecs } from '../codecs.ts';
import { RoomEgress, type RoomEgressOptions } from '../room-egress.ts';

export const PCMU: Format = { codec: 'PCMU', clockRate: 8000 };
export const PCMA: Format = { codec: 'PCMA', clockRate: 8000 };
export const G722: Format = { codec: 'G722', clockRate: 8000 };
export const OPUS: Format = { codec: 'opus', clockRate: 48000, channels: 2 };
export const AAC: Format = { codec: 'AAC', clockRate: 48000, channels: 1 };
export const H264: Format = { codec: 'H264', clockRate: 90000, fmtp: { 'packetization-mode': '1' } };

export class FakeRoom implements RoomSource {
  readonly room = '1000';
  readonly states = new Map<string, TrackState>();
  readonly asked: { track: string; feedback: Feedback }[] = [];
  readonly pulls = new Set<{ track: string; sink: Sink<MediaPacket>; clock: ClockSink }>();
  readonly listeners = new Set<(e: SourceEvent) => void>();
  speaking: readonly string[] = [];
  look: Layout = 'speaker';

  tracks(): Iterable<TrackState> {
    return this.states.values();
  }
  speakers(): readonly string[] {
    return this.speaking;
  }
  layout(): Layout {
    return this.look;
  }
  on(listener: (e: SourceEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }
  pull(track: string, sink: Sink<MediaPacket>, clock: ClockSink): Pull {
    const pull = { track, sink, clock };
    this.pulls.add(pull);
    return {
      feedback: feedback => void this.asked.push({ track, feedback }),
      close: () => void this.pulls.delete(pull),
    };
  }

  add(info: Partial<TrackInfo> & { id: string }, change: Partial<TrackState> = {}): TrackInfo {
    const before = this.states.get(info.id);
    const whole: TrackInfo = {
      participant: info.id,
      source: 'mic',
      format: PCMU,
      canKeyframe: true,
      syncGroup: info.id,
      ...before?.info,
      ...info,
    };
    const state = { info: whole, paused: false, visible: true, ...change };
    this.states.set(info.id, state);
    this.tell({ type: 'track', track: state });
    return whole;
  }
  remove(id: string): void {
    this.states.delete(id);
    this.tell({ type: 'untrack', id });
  }
  speak(...participants: string[]): void {
    this.speaking = participants;
    this.tell({ type: 'speakers', participants });
  }
  lay(layout: Layout): void {
    this.look = layout;
    this.tell({ type: 'layout', layout });
  }
  /** Its publisher ties media time to its capture clock. */
  clock(track: string, pts: number, captureMs: number): void {
    for (const pull of this.pulls) if (pull.track === track) pull.clock(pts, captureMs);
  }
  send(track: string, packet: MediaPacket, now: number): void {
    if (this.states.get(track)?.paused) return;
    for (const pull of this.pulls) if (pull.track === track) pull.sink(packet, now);
  }
  tell(e: SourceEvent): void {
    for (const listener of this.listeners) listener(e);
  }
}

/** One participant's microphone: a tone, through a real encoder, a packet every 20 ms. */
export class Singer {
  readonly id: string;
  readonly hz: number;
  seq = 1000;
  pts: number;
  on = true;
  readonly #room: FakeRoom;
  readonly #encoder: AudioEncoder;
  #sample = 0;

  private constructor(room: FakeRoom, id: string, hz: number, encoder: AudioEncoder) {
    this.#room = room;
    this.id = id;
    this.hz = hz;
    this.#encoder = encoder;
    this.pts = 5_000_000;
  }

  static async join(room: FakeRoom, id: string, hz: number, format: Format): Promise<Singer> {
    const rate: PcmRate = format.codec === 'opus' ? 48000 : format.codec === 'G722' ? 16000 : 8000;
    const singer = new Singer(room, id, hz, await realCodecs.openEncoder(format, rate));
    room.add({ id, format });
    return singer;
  }

  /** Makes the next 20 ms; `deliver` false: the network loses it. */
  sing(now: number, deliver = true): void {
    const rate = this.#encoder.sampleRate;
    const pcm = new Int16Array((rate * BLOCK_MS) / 1000);
    if (this.on)
      for (let i = 0; i < pcm.length; i++)
        pcm[i] = Math.round(3276 * Math.sin((2 * Math.PI * this.hz * (this.#sample + i)) / rate));
    this.#sample += pcm.length;
    const level = this.on ? 23 : 127;
    this.#encoder.encode(pcm, payload => {
      if (deliver)
        this.#room.send(this.id, { seq: this.seq, pts: this.pts, marker: false, payload, level }, now);
      this.seq++;
      this.pts += this.#encoder.frameTicks;
    });
  }
}

/** What one leg got. */
export class Ears {
  readonly packets: MediaPacket[] = [];
  readonly at: number[] = [];
  readonly events: TrackEvent[] = [];
  readonly sink: Sink<MediaPacket> = (p, now) => {
    this.packets.push({ ...p, payload: p.payload.slice(), ...(p.frame && { frame: { ...p.frame } }) });
    this.at.push(now);
  };
  readonly on = (e: TrackEvent): void => void this.events.push(e);
  subscription: Subscription | undefined;

  /** Everything from packet `from` on, decoded. */
  async decode(format: Format, rate: PcmRate, from = 0): Promise<Int16Array> {
    const decoder = await realCodecs.openDecoder(format, rate);
    const parts = this.packets.map(p => decoder.decode(p.payload).slice()).slice(from);
    decoder.close();
    return Int16Array.from(parts.flatMap(p => [...p]));
  }
  /** Steps of pts between packets: all alike when there is neither gap nor overlap. */
  steps(): number[] {
    return [...new Set(this.packets.slice(1).map((p, i) => p.pts - this.packets[i]!.pts))];
  }
}

/** A room, its egress and a clock that runs only when told. */
export class World {
  now = 10_000;
  readonly room = new FakeRoom();
  readonly egress: RoomEgress;
  readonly singers: Singer[] = [];
  /** Called each 20 ms before the tick; returns false to skip the tick. */
  each: ((i: number) => boolean | undefined) | undefined;
  #i = 0;

  constructor(o: Partial<RoomEgressOptions> = {}) {
    this.egress = new RoomEgress(this.room, { clock: { now: () => this.now, at: () => () => {} }, ...o });
  }

  async singer(id: string, hz: number, format: Format): Promise<Singer> {
    const singer = await Singer.join(this.room, id, hz, format);
    this.singers.push(singer);
    return singer;
  }

  want(participant: string, want: Want): Ears {
    const ears = new Ears();
    ears.subscription = this.egress.want(participant, want, ears.sink, ears.on);
    return ears;
  }
  mix(participant: string, codec: Format, ptimeMs = 20): Ears {
    return this.want(participant, { kind: 'mix', codec, ptimeMs });
  }

  /** Lets `ms` pass: everyone sings, then the tick; between two ticks promises settle. */
  async run(ms: number): Promise<void> {
    for (const end = this.now + ms; this.now < end; this.now += BLOCK_MS) {
      for (const singer of this.singers) singer.sing(this.now - 7);
      if (this.each?.(this.#i++) !== false) this.egress.tick(this.now);
      await settled();
    }
  }
}

/** Everything asynchronous that is ready to happen has happened. */
export const settled = (): Promise<void> => new Promise(done => setImmediate(done));

export const mark = (m: Partial<FrameMark> = {}): FrameMark => ({
  start: true,
  end: true,
  key: false,
  config: false,
  temporal: 0,
  ...m,
});
