import type { Feedback, MediaPacket, TrackInfo, Want } from '../../src/contract.ts';
import { type FakePublication, FakeSeat, type FakeSubscription } from '../../test/harness/fakes.ts';

interface Track {
  readonly publication: FakePublication;
  readonly participant: string;
}

interface Viewer {
  readonly subscription: FakeSubscription;
  readonly participant: string;
  track: Track | undefined;
  live: boolean;
}

/** As much of a room as browsers need to see and hear each other: no mixing, no switching, keyframes at the start. */
export class LoopRoom {
  readonly seats: LoopSeat[] = [];
  readonly tracks: Track[] = [];
  readonly viewers: Viewer[] = [];
  /** What went upstream. */
  readonly asked: Feedback[] = [];

  seat(participant: string): LoopSeat {
    const seat = new LoopSeat(this, participant);
    this.seats.push(seat);
    return seat;
  }

  published(track: Track): void {
    this.tracks.push(track);
    this.assign();
  }

  wanted(subscription: FakeSubscription, participant: string): void {
    const viewer: Viewer = { subscription, participant, track: undefined, live: false };
    this.viewers.push(viewer);
    subscription.feedback = f => {
      subscription.asked.push(f);
      this.asked.push(f);
      if (f.type === 'keyframe') viewer.track?.publication.ask(f);
    };
    setImmediate(() => this.assign());
  }

  packet(from: FakePublication, packet: MediaPacket, now: number): void {
    for (const viewer of this.viewers) {
      if (viewer.track?.publication !== from || viewer.subscription.closed) continue;
      if (!viewer.live && packet.frame && !(packet.frame.key && packet.frame.start)) continue;
      viewer.live = true;
      viewer.subscription.sink(packet, now);
    }
  }

  assign(): void {
    for (const viewer of this.viewers) {
      const track = this.#trackFor(viewer.subscription.want);
      if (track === viewer.track || track === undefined) continue;
      viewer.track = track;
      viewer.live = false;
      const { publication, participant } = track;
      const info: TrackInfo = { ...publication.track, id: publication.id, participant };
      viewer.subscription.on({
        type: 'serving',
        track: info,
        format: publication.current,
        how: 'passthrough',
      });
      publication.ask({ type: 'keyframe' });
    }
  }

  #trackFor(want: Want): Track | undefined {
    const of = (source: string, codecs: RegExp): Track[] =>
      this.tracks.filter(
        t =>
          t.publication.track.source === source &&
          t.publication.track.layerOf === undefined &&
          codecs.test(t.publication.track.format.codec) &&
          !t.publication.closed,
      );
    if (want.kind === 'cameras') return of('camera', /H264|VP8/)[want.slot];
    if (want.kind === 'picture')
      return of(want.source === 'content' ? 'screen' : 'camera', /H264|VP8/).at(-1);
    if (want.kind === 'loudest') return of('mic', /opus/)[want.slot];
    return want.kind === 'mix' ? of('mic', /opus/)[0] : undefined;
  }
}

class LoopSeat extends FakeSeat {
  readonly #room: LoopRoom;
  constructor(room: LoopRoom, participant: string) {
    super('1000', participant);
    this.#room = room;
  }

  override publish(...[track, on]: Parameters<FakeSeat['publish']>): FakePublication {
    const made = super.publish(track, on);
    const keep = made.sink;
    const publication: FakePublication = Object.assign(made, {
      sink: (packet: MediaPacket, now: number): void => {
        if (made.heard.length < 2000) keep(packet, now);
        this.#room.packet(publication, packet, now);
      },
    });
    setImmediate(() => this.#room.published({ publication, participant: this.participant }));
    return publication;
  }

  override want(...[want, sink, on]: Parameters<FakeSeat['want']>): FakeSubscription {
    const subscription = super.want(want, sink, on);
    this.#room.wanted(subscription, this.participant);
    return subscription;
  }
}
