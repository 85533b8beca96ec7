import type { Clock, MediaPacket, Sink, Subscription, TrackEvent, TrackInfo, Want } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import type { RoomSource, SourceEvent, TrackState } from '../media/room-source.ts';
import { type Codecs, isAudio, realCodecs } from './codecs.ts';
import type { Floor } from './feed.ts';
import { MAX_CELLS } from './grid.ts';
import { LiveWant } from './live-want.ts';
import type { PictureCache } from './picture-cache.ts';
import { Pictures } from './pictures.ts';
import { Refs } from './refs.ts';
import type { RoomView, SlotKind } from './room-view.ts';
import { openRoute } from './route.ts';
import { Slots } from './slots.ts';
import { Sound } from './sound.ts';
import { Tap } from './tap.ts';
import { TrackTime } from './track-time.ts';

export interface RoomEgressOptions {
  /** For stamps, and for the codecs' own timers; `tick` is called by the owner. */
  readonly clock: Clock;
  /** Default: codecs/audio.ts and codecs/video. */
  readonly codecs?: Codecs;
  /** Facts worth a counter: `decoder-failed`, or why a picture cannot be shown. */
  readonly count?: (reason: string) => void;
  /** A leg's sink or listener threw: only its want ended. */
  readonly bug?: (error: unknown) => void;
}

/**
 * What the legs of one process receive of one room: passes tracks through, mixes, transcodes, switches; shares
 * every decode and encode. One per (process, room). Its owner calls `tick` every 20 ms.
 */
export class RoomEgress {
  readonly #source: RoomSource;
  readonly #bug: ((error: unknown) => void) | undefined;
  readonly #tracks = new Map<string, TrackState>();
  readonly #taps = new Refs<Tap>();
  readonly #floor: Floor;
  readonly #view: RoomView;
  readonly #slots = new Map<string, OwnSlots>();
  readonly #wants = new Set<LiveWant>();
  /** Publishers that cannot be asked for a keyframe: their pictures are kept from the start. */
  readonly #groups = new Map<string, { readonly info: TrackInfo; readonly cache: PictureCache }>();
  /** Which cameras a grid shows, should there be too many. */
  readonly #inGrid = new Slots(MAX_CELLS);
  /** Tracks in use by sync group: they share a capture clock. */
  readonly #clocks = new Map<string, Set<TrackTime>>();
  readonly #unlisten: () => void;
  #closed = false;

  constructor(source: RoomSource, o: RoomEgressOptions) {
    this.#source = source;
    this.#bug = o.bug;
    const taps = {
      acquire: (track: string) => this.#taps.acquire(track, () => this.#tap(track)),
      release: (track: string) => this.#taps.release(track),
    };
    const codecs = o.codecs ?? realCodecs;
    const count = o.count ?? (() => {});
    this.#floor = {
      taps,
      codecs,
      sound: new Sound(taps, codecs, count),
      pictures: new Pictures(
        taps,
        codecs,
        o.clock,
        () => this.#cameras(),
        id => this.#layersOf(id),
        count,
      ),
      now: () => o.clock.now(),
    };
    this.#view = {
      tracks: () => this.#whole(),
      track: id => this.#tracks.get(id),
      speakers: () => source.speakers(),
      layout: () => source.layout(),
      slots: (kind, participant, of) => this.#slotsOf(kind, participant, of),
      cameras: () => this.#cameras(),
    };
    this.#unlisten = source.on(e => this.#onSource(e));
    for (const track of source.tracks()) this.#setTrack(track);
    this.#assignSlots();
  }

  /** What `Seat.want` calls. Events and packets begin after it has returned. */
  want(participant: string, want: Want, sink: Sink<MediaPacket>, on: (e: TrackEvent) => void): Subscription {
    const live = new LiveWant(
      participant,
      want,
      sink,
      on,
      (w, outlet) => openRoute(this.#floor, this.#view, participant, w, outlet),
      error => this.#bug?.(error),
      () => this.#forget(live),
    );
    if (this.#closed) live.close();
    else this.#wants.add(live);
    queueMicrotask(() => live.open());
    return live;
  }

  /** Every 20 ms. Late ticks catch up; after a stall of more than 200 ms the missed blocks are skipped. */
  tick(now: Millis): void {
    this.#floor.sound.tick(now);
    this.#floor.pictures.tick(now);
    for (const tap of this.#taps.values()) tap.flush(now);
  }

  /** False: nothing is mixed, transcoded or asked for, so `tick` has nothing to do. */
  get active(): boolean {
    if (this.#floor.sound.active || this.#floor.pictures.active) return true;
    for (const tap of this.#taps.values()) if (tap.pending) return true;
    return false;
  }

  /** Ends every want, without a word. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#unlisten();
    for (const live of this.#wants) live.close();
    this.#floor.pictures.close();
    for (const id of [...this.#tracks.keys()]) this.#dropTrack(id);
    this.#floor.sound.close();
  }

  #onSource(e: SourceEvent): void {
    if (this.#closed) return;
    if (e.type === 'track') this.#setTrack(e.track);
    else if (e.type === 'untrack') this.#dropTrack(e.id);
    this.#assignSlots();
    this.#floor.pictures.refresh();
    for (const live of this.#wants) live.refresh();
  }

  #setTrack(state: TrackState): void {
    const { info } = state;
    const before = this.#tracks.get(info.id);
    this.#tracks.set(info.id, state);
    this.#taps.get(info.id)?.time.format(info.format.clockRate);
    if (isAudio(info.format)) {
      this.#floor.sound.track(info.id, state.visible && !state.paused ? info : undefined);
      return;
    }
    const group = this.#groups.get(info.id);
    if (before?.info.format.codec !== info.format.codec || state.paused) group?.cache.reset();
    if (!info.canKeyframe && group === undefined)
      this.#groups.set(info.id, { info, cache: this.#floor.pictures.cache(info) });
  }

  #tap(track: string): Tap {
    const info = this.#tracks.get(track)?.info;
    const group = info?.syncGroup ?? track;
    for (const [key, members] of this.#clocks) if (members.size === 0) this.#clocks.delete(key);
    const members = this.#clocks.get(group) ?? new Set();
    this.#clocks.set(group, members);
    const time = new TrackTime(info?.format.clockRate ?? 90_000, members);
    return new Tap(time, sink =>
      this.#source.pull(track, sink, (pts, captureMs) => time.clock(pts, captureMs)),
    );
  }

  #dropTrack(id: string): void {
    this.#tracks.delete(id);
    this.#floor.sound.track(id, undefined);
    const group = this.#groups.get(id);
    if (this.#groups.delete(id) && group !== undefined) this.#floor.pictures.release(group.info);
  }

  /** All but the smaller copies of others. */
  *#whole(): Iterable<TrackState> {
    for (const state of this.#tracks.values()) if (state.info.layerOf === undefined) yield state;
  }

  /** The smaller copies of track `id` that come now. */
  #layersOf(id: string): TrackInfo[] {
    const layers: TrackInfo[] = [];
    for (const { info, paused } of this.#tracks.values())
      if (info.layerOf === id && !paused) layers.push(info);
    return layers;
  }

  #slotsOf(kind: SlotKind, participant: string, of: number): Slots {
    const key = `${kind} ${of} ${participant}`;
    let entry = this.#slots.get(key);
    if (entry === undefined) {
      entry = { kind, participant, slots: new Slots(of) };
      this.#slots.set(key, entry);
      this.#assign(entry);
    }
    return entry.slots;
  }

  #assignSlots(): void {
    for (const entry of this.#slots.values()) this.#assign(entry);
    this.#inGrid.assign(this.#members('cameras'), this.#source.speakers());
  }

  #assign({ kind, participant, slots }: OwnSlots): void {
    slots.assign(this.#members(kind, participant), this.#source.speakers());
  }

  /** Who has sound; or who has a camera that is on. */
  #members(kind: SlotKind, but?: string): Set<string> {
    const members = new Set<string>();
    for (const { info, visible, paused } of this.#whole()) {
      const sound = isAudio(info.format);
      const fits = kind === 'loudest' ? sound : !sound && !paused && info.source === 'camera';
      if (fits && visible && info.participant !== but) members.add(info.participant);
    }
    return members;
  }

  /** One camera of each member that has a place in a grid. */
  #cameras(): readonly TrackInfo[] {
    const cameras = new Map<string, TrackInfo>();
    for (const { info, visible, paused } of this.#whole())
      if (visible && !paused && info.source === 'camera' && !isAudio(info.format))
        cameras.set(info.participant, info);
    return [...cameras.values()].filter(info => this.#inGrid.has(info.participant));
  }

  #forget(live: LiveWant): void {
    this.#wants.delete(live);
    for (const other of this.#wants) if (other.participant === live.participant) return;
    for (const [key, { participant }] of this.#slots)
      if (participant === live.participant) this.#slots.delete(key);
  }
}

/** One listener's slots of one kind. */
interface OwnSlots {
  readonly kind: SlotKind;
  readonly participant: string;
  readonly slots: Slots;
}
