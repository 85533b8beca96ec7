import type { Feedback, NewTrack, Publication } from '../contract.ts';
import type { ClientSession } from './client-session.ts';
import type { LinkFlow } from './media-path.ts';

/** One track of a leg of ours, published in a room of another process. `of`: all of that leg; this one joins them, and leaves. */
export function remotePublication(
  session: ClientSession,
  leg: string,
  id: string,
  track: NewTrack,
  of: Map<string, LinkFlow>,
  on: (f: Feedback) => void,
): Publication {
  session.publications.set(id, on);
  session.send({ t: 'publish', leg, id, track });
  const flow = session.path.flow(track.format, start => session.send({ t: 'flow', id, start }));
  of.set(id, flow);
  const live = (): boolean => of.has(id);
  return {
    id,
    sink: p => {
      if (live()) session.path.send(flow, p);
    },
    clock: (pts, captureMs) => {
      if (live()) session.send({ t: 'clock', id, pts, captureMs });
    },
    format: format => {
      if (!live()) return;
      session.send({ t: 'format', id, format });
      flow.renew(format);
    },
    pause: onOff => {
      if (live()) session.send({ t: 'pause', id, on: onOff });
    },
    close: () => {
      if (!of.delete(id)) return;
      flow.close();
      session.publications.delete(id);
      session.send({ t: 'unpublish', id });
    },
  };
}

/** Of a leg that is in no room any more. */
export const deadPublication = (id: string): Publication => ({
  id,
  sink() {},
  clock() {},
  format() {},
  pause() {},
  close() {},
});
