import type { Format, TrackInfo, Want } from '../contract.ts';
import type { TrackState } from '../media/room-source.ts';
import { encodable, formatKey, isAudio } from './codecs.ts';
import { type Feed, type Floor, feedSound, nothing, type Outlet } from './feed.ts';
import { camerasRoute, follow, pictureRoute } from './picture-route.ts';
import { type RoomView, type Route, visibleTo } from './room-view.ts';

const MIN_PTIME_MS = 10;
const MAX_PTIME_MS = 60;

export function openRoute(floor: Floor, room: RoomView, me: string, want: Want, outlet: Outlet): Route {
  switch (want.kind) {
    case 'mix':
      return mixRoute(floor, me, want, outlet);
    case 'track':
      return trackRoute(floor, room, me, want, outlet, () => room.track(want.id));
    case 'member':
      return trackRoute(floor, room, me, want, outlet, () =>
        pickTrack(room, me, t => t.participant === want.participant && t.source === want.source, want.accept),
      );
    case 'loudest': {
      const slots = room.slots('loudest', me, want.of);
      return soundRoute(floor, me, want.accept, outlet, () => soundOf(room, slots.get(want.slot)));
    }
    case 'picture':
      return pictureRoute(floor, room, me, want, outlet);
    case 'cameras':
      return camerasRoute(floor, room, me, want, outlet);
  }
}

const still: Route = { ...nothing, refresh() {} };

function mixRoute(floor: Floor, me: string, want: Extract<Want, { kind: 'mix' }>, outlet: Outlet): Route {
  const missing = isAudio(want.codec)
    ? floor.codecs.missingFor(want.codec)
    : `${want.codec.codec} carries no sound; ask for the mix in opus, G.722, G.711 or AAC.`;
  if (missing !== undefined) {
    outlet.tell({ type: 'unserved', why: { blame: 'server', reason: 'codec-missing', text: missing } });
    return still;
  }
  const undo = floor.sound.listen({
    participant: me,
    format: encodable(want.codec),
    ptimeMs: Math.min(MAX_PTIME_MS, Math.max(MIN_PTIME_MS, want.ptimeMs)),
    sink: outlet.sink,
    nextPts: Number.NEGATIVE_INFINITY,
    seq: 0,
    serving: encoded =>
      outlet.tell({
        type: 'serving',
        format: want.codec.codec === 'AAC' ? encoded : want.codec, // an encoder may be shared by other fmtp
        how: 'mix',
      }),
    failed: why => {
      undo();
      outlet.tell({ type: 'unserved', why });
    },
  });
  const format = encodable(want.codec);
  return { ...still, timeOf: pts => floor.sound.playedAt(pts, format), close: undo };
}

/** Follows whichever track `pick` gives, be it sound or a picture. */
function trackRoute(
  floor: Floor,
  room: RoomView,
  me: string,
  want: { readonly accept: readonly Format[] },
  outlet: Outlet,
  pick: () => TrackState | undefined,
): Route {
  const open = (picture: boolean): Route =>
    picture
      ? follow(floor, room, me, want, outlet, () => visibleTo(me, pick()))
      : soundRoute(floor, me, want.accept, outlet, pick);
  const isPicture = (): boolean => {
    const state = pick();
    return state === undefined ? !want.accept.some(isAudio) : !isAudio(state.info.format);
  };
  let picture = isPicture();
  let route = open(picture);
  return {
    refresh() {
      if (pick() === undefined || isPicture() === picture) return route.refresh();
      route.close();
      picture = !picture;
      route = open(picture);
    },
    feedback: f => route.feedback(f),
    timeOf: pts => route.timeOf(pts),
    pause: () => route.pause(),
    close: () => route.close(),
  };
}

/** Follows whichever track of sound `pick` gives. */
function soundRoute(
  floor: Floor,
  me: string,
  accept: readonly Format[],
  outlet: Outlet,
  pick: () => TrackState | undefined,
): Route {
  let feed: Feed | undefined;
  let serves: string | undefined;
  const refresh = (): void => {
    const info = visibleTo(me, pick());
    const key = info === undefined ? '' : `${info.id} ${formatKey(info.format)}`;
    if (key === serves) return;
    serves = key;
    feed?.close();
    feed = undefined;
    if (info === undefined) outlet.tell({ type: 'idle' });
    else feed = feedSound(floor, info, accept, outlet);
  };
  refresh();
  return {
    refresh,
    feedback: f => feed?.feedback(f),
    timeOf: pts => feed?.timeOf(pts),
    pause: () => feed?.pause(),
    close: () => feed?.close(),
  };
}

/** Of several, one that comes now, and rather one of a medium that is accepted. */
function pickTrack(
  room: RoomView,
  me: string,
  fits: (t: TrackInfo) => boolean,
  accept: readonly Format[],
): TrackState | undefined {
  const sound = accept.some(isAudio);
  let best: TrackState | undefined;
  let bestRank = -1;
  for (const state of room.tracks()) {
    if (!fits(state.info)) continue;
    const rank =
      (visibleTo(me, state) !== undefined ? 2 : 0) + (isAudio(state.info.format) === sound ? 1 : 0);
    if (rank >= bestRank) [best, bestRank] = [state, rank];
  }
  return best;
}

/** The sound of a member: its microphone, or what else it has. */
function soundOf(room: RoomView, participant: string | undefined): TrackState | undefined {
  let other: TrackState | undefined;
  for (const state of room.tracks()) {
    if (state.info.participant !== participant || !isAudio(state.info.format) || !state.visible) continue;
    if (state.info.source === 'mic') return state;
    other ??= state;
  }
  return other;
}
