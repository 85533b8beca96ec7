import type { Format, TrackInfo, Want } from '../contract.ts';
import type { Millis } from '../kit/core.ts';
import { isAudio } from './codecs.ts';
import type { Floor, Outlet } from './feed.ts';
import { gridSubject, trackSubject } from './picture-supply.ts';
import type { Ticking } from './pictures.ts';
import { type RoomView, type Route, visibleTo } from './room-view.ts';
import { SpeakerChoice } from './speaker-choice.ts';
import { Switch } from './switch.ts';

type PictureWant = Extract<Want, { kind: 'picture' }>;
type CamerasWant = Extract<Want, { kind: 'cameras' }>;

/** Which track is to be seen now. */
type Pick = () => TrackInfo | undefined;

export function pictureRoute(
  floor: Floor,
  room: RoomView,
  me: string,
  want: PictureWant,
  outlet: Outlet,
): Route {
  if (want.source === 'grid') return gridRoute(floor, room, want, outlet);
  if (want.source === 'content') return follow(floor, room, me, want, outlet, () => screenOf(room, me));
  return speakerRoute(floor, room, me, want, outlet);
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

/** Who speaks; what is shared, while someone shares; oneself when there is nobody else. */
function speakerRoute(floor: Floor, room: RoomView, me: string, want: PictureWant, outlet: Outlet): Route {
  const choice = new SpeakerChoice();
  const pick = (): TrackInfo | undefined => {
    const screen = screenOf(room, me);
    if (screen !== undefined) return screen;
    const cameras = new Map(camerasIn(room, me).map(track => [track.participant, track]));
    if (!alone(room, me)) cameras.delete(me);
    const chosen = choice.choose(room.speakers(), [...cameras.keys()], floor.now());
    return chosen === undefined ? undefined : cameras.get(chosen);
  };
  const route = follow(floor, room, me, want, outlet, pick);
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
  floor.pictures.add(held);
  return {
    ...route,
    close() {
      floor.pictures.delete(held);
      route.close();
    },
  };
}

function gridRoute(floor: Floor, room: RoomView, want: PictureWant, outlet: Outlet): Route {
  const view = new Switch(floor.pictures, want.accept, want.maxBps, outlet);
  const subject = gridSubject(floor.pictures, want.accept);
  const refresh = (): void => view.show(room.cameras().length > 0 ? subject : undefined, () => undefined);
  return routeOf(view, refresh);
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
  const there = (id: string): TrackInfo | undefined => visibleTo(me, room.track(id));
  return routeOf(view, () => {
    const track = pick();
    view.show(track && trackSubject(floor.pictures, track, want.accept), there);
  });
}

function routeOf(view: Switch, refresh: () => void): Route {
  refresh();
  return { refresh, feedback: f => view.feedback(f), pause: () => view.pause(), close: () => view.close() };
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

/** Nobody else is heard or seen here. */
function alone(room: RoomView, me: string): boolean {
  for (const { info, visible } of room.tracks()) if (visible && info.participant !== me) return false;
  return true;
}
