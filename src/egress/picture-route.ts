import type { Format, TrackInfo, Want } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { isAudio } from './codecs.ts';
import type { Floor, Outlet } from './feed.ts';
import { gridSubject, type Subject, trackSubject } from './picture-supply.ts';
import type { Ticking } from './pictures.ts';
import { type RoomView, type Route, visibleTo } from './room-view.ts';
import { SpeakerChoice } from './speaker-choice.ts';
import { Switch } from './switch.ts';

type PictureWant = Extract<Want, { kind: 'picture' }>;
type CamerasWant = Extract<Want, { kind: 'cameras' }>;

/** Which track is to be seen now. */
type Pick = () => TrackInfo | undefined;

/** One picture of the room, shown when its sound is heard in the mix. */
export function pictureRoute(
  floor: Floor,
  room: RoomView,
  me: string,
  want: PictureWant,
  outlet: Outlet,
): Route {
  const view = new Switch(floor.pictures, want.accept, want.maxBps, outlet);
  const route =
    want.source === 'content'
      ? followOn(view, floor, room, me, want, () => screenOf(room, me))
      : wholeRoute(view, floor, room, me, want);
  return {
    ...route,
    timeOf(pts) {
      const shot = view.timeOf(pts);
      const { syncGroup } = view;
      return shot === undefined || syncGroup === undefined ? shot : shot + floor.sound.delayOf(syncGroup);
    },
  };
}

/** One slot of other members' cameras. */
export function camerasRoute(
  floor: Floor,
  room: RoomView,
  me: string,
  want: CamerasWant,
  outlet: Outlet,
): Route {
  const slots = room.slots('cameras', me, want.of);
  return follow(floor, room, me, want, outlet, () => {
    const participant = slots.get(want.slot);
    return participant === undefined ? undefined : cameraOf(room, me, participant);
  });
}

/**
 * The room in one picture: what is shared, while someone shares; else who of the others speaks, or everyone in a grid,
 * as the room or the want says. Where no grid can be made: who speaks. Who is alone sees nothing: phones show a mirror
 * of their own.
 */
function wholeRoute(view: Switch, floor: Floor, room: RoomView, me: string, want: PictureWant): Route {
  const choice = new SpeakerChoice();
  const { pictures } = floor;
  const speaker = (): Subject | undefined => {
    const cameras = new Map(camerasIn(room, me).map(track => [track.participant, track]));
    cameras.delete(me);
    const chosen = choice.choose(room.speakers(), [...cameras.keys()], floor.now());
    const track = chosen === undefined ? undefined : cameras.get(chosen);
    return track && trackSubject(pictures, track, want.accept);
  };
  const pick = (): Subject | undefined => {
    const screen = screenOf(room, me);
    if (screen !== undefined) return trackSubject(pictures, screen, want.accept);
    const grid = (want.source === 'grid' || room.layout() === 'grid') && room.cameras().length > 0;
    return grid ? gridSubject(pictures, want.accept, speaker()) : speaker();
  };
  const route = routeOf(view, () => view.show(pick(), thereFor(room, me)));
  let looked: Millis = 0;
  const held: Ticking = {
    get ticking() {
      return looked < choice.holdUntil;
    },
    tick(now) {
      if (now >= choice.holdUntil && looked < choice.holdUntil) route.refresh();
      looked = now;
    },
  };
  pictures.add(held);
  return {
    ...route,
    close() {
      pictures.delete(held);
      route.close();
    },
  };
}

/** Shows whatever `pick` gives, in the ways `want` allows. */
export function follow(
  floor: Floor,
  room: RoomView,
  me: string,
  want: { readonly accept: readonly Format[]; readonly maxBps?: number },
  outlet: Outlet,
  pick: Pick,
): Route {
  const view = new Switch(floor.pictures, want.accept, want.maxBps ?? Number.POSITIVE_INFINITY, outlet);
  return followOn(view, floor, room, me, want, pick);
}

function followOn(
  view: Switch,
  floor: Floor,
  room: RoomView,
  me: string,
  want: { readonly accept: readonly Format[] },
  pick: Pick,
): Route {
  return routeOf(view, () => {
    const track = pick();
    view.show(track && trackSubject(floor.pictures, track, want.accept), thereFor(room, me));
  });
}

const thereFor =
  (room: RoomView, me: string) =>
  (id: string): TrackInfo | undefined =>
    visibleTo(me, room.track(id));

function routeOf(view: Switch, refresh: () => void): Route {
  refresh();
  return {
    refresh,
    feedback: f => view.feedback(f),
    timeOf: pts => view.timeOf(pts),
    pause: () => view.pause(),
    close: () => view.close(),
  };
}

/** Pictures of members, oneself too, the latest last. */
const camerasIn = (room: RoomView, me: string): TrackInfo[] =>
  picturesIn(room, me).filter(track => track.source === 'camera');

const cameraOf = (room: RoomView, me: string, participant: string): TrackInfo | undefined =>
  camerasIn(room, me).findLast(track => track.participant === participant);

/** The newest shared screen but one's own. */
const screenOf = (room: RoomView, me: string): TrackInfo | undefined =>
  picturesIn(room, me).findLast(track => track.source === 'screen' && track.participant !== me);

function picturesIn(room: RoomView, me: string): TrackInfo[] {
  const tracks: TrackInfo[] = [];
  for (const state of room.tracks()) {
    const track = visibleTo(me, state);
    if (track !== undefined && !isAudio(track.format)) tracks.push(track);
  }
  return tracks;
}
