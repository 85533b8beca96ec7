import type { Format, TrackInfo, Want } from '../contract.ts';
import type { TrackState } from '../media/room-source.ts';
import { encodable, formatKey, isAudio } from './codecs.ts';
import { type Feed, type Floor, feedTrack, type Outlet } from './feed.ts';
import type { Slots } from './slots.ts';
import { Switch } from './switch.ts';

/** The room as routes see it. */
export interface RoomView {
  tracks(): Iterable<TrackState>;
  track(id: string): TrackState | undefined;
  speakers(): readonly string[];
  /** One listener's slots, shared by its `loudest` wants. */
  slots(participant: string, of: number): Slots;
}

/** How one want is served now. */
export interface Route extends Feed {
  /** The room has changed. */
  refresh(): void;
}

const MIN_PTIME_MS = 10;
const MAX_PTIME_MS = 60;

export function openRoute(floor: Floor, room: RoomView, me: string, want: Want, outlet: Outlet): Route {
  switch (want.kind) {
    case 'mix':
      return mixRoute(floor, me, want, outlet);
    case 'track':
      return trackRoute(floor, me, want.accept, outlet, () => room.track(want.id));
    case 'member':
      return trackRoute(floor, me, want.accept, outlet, () =>
        pickTrack(room, me, t => t.participant === want.participant && t.source === want.source, want.accept),
      );
    case 'loudest': {
      const slots = room.slots(me, want.of);
      return trackRoute(floor, me, want.accept, outlet, () => soundOf(room, slots.get(want.slot)));
    }
    case 'picture':
      return want.source === 'grid' ? noGrid(outlet) : pictureRoute(floor, room, me, want, outlet);
  }
}

/** May `me` see or hear this track? */
const shown = (state: TrackState, me: string): boolean =>
  !state.paused && (state.visible || state.info.participant === me);

const still: Route = { refresh() {}, feedback() {}, pause() {}, close() {} };

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
  return { ...still, close: undo };
}

/** Follows whichever track `pick` gives. */
function trackRoute(
  floor: Floor,
  me: string,
  accept: readonly Format[],
  outlet: Outlet,
  pick: () => TrackState | undefined,
): Route {
  let feed: Feed | undefined;
  let serves: string | undefined;
  const refresh = (): void => {
    const state = pick();
    const info = state !== undefined && shown(state, me) ? state.info : undefined;
    const key = info === undefined ? '' : `${info.id} ${formatKey(info.format)}`;
    if (key === serves) return;
    serves = key;
    feed?.close();
    feed = undefined;
    if (info === undefined) outlet.tell({ type: 'idle' });
    else feed = feedTrack(floor, info, accept, outlet);
  };
  refresh();
  return {
    refresh,
    feedback: f => feed?.feedback(f),
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
    const rank = (shown(state, me) ? 2 : 0) + (isAudio(state.info.format) === sound ? 1 : 0);
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

function pictureRoute(
  floor: Floor,
  room: RoomView,
  me: string,
  want: Extract<Want, { kind: 'picture' }>,
  outlet: Outlet,
): Route {
  const source = want.source === 'speaker' ? 'camera' : 'screen';
  const view = new Switch(floor, want.accept, outlet);
  const refresh = (): void => {
    const there = new Map<string, TrackInfo>();
    for (const state of room.tracks())
      if (
        state.info.source === source &&
        state.info.participant !== me &&
        shown(state, me) &&
        !isAudio(state.info.format)
      )
        there.set(state.info.id, state.info);
    const tracks = [...there.values()];
    const current = view.track === undefined ? undefined : there.get(view.track);
    const spoken = room.speakers().map(p => tracks.find(t => t.participant === p));
    const chosen = source === 'camera' ? (spoken.find(t => t !== undefined) ?? current) : undefined;
    view.show(chosen ?? tracks.at(-1), there);
  };
  refresh();
  return { refresh, feedback: f => view.feedback(f), pause: () => view.pause(), close: () => view.close() };
}

function noGrid(outlet: Outlet): Route {
  outlet.tell({
    type: 'unserved',
    why: {
      blame: 'server',
      reason: 'no-grid',
      text: 'This server does not compose pictures into a grid yet; ask for the speaker or the content.',
    },
  });
  return still;
}
