import { randomUUID } from 'node:crypto';
import type { Host, LegRequest, Termination } from '../../src/contract.ts';
import { refuse, terminationOf } from '../../src/kit/refusal.ts';
import { maskToken, parsePath, type RtmpPath } from './path.ts';
import type { Ask, Peer } from './peer.ts';
import { statusOf } from './refusals.ts';

/** A leg of ours, as its connection knows it. */
interface BoundLeg {
  close(why: Termination): void;
}

/** A connection whose leg is being placed: `take` finds it by the peer's id and binds the leg to it. */
export interface Waiting {
  readonly peer: Peer;
  readonly asked: 'publish' | 'play';
  readonly path: RtmpPath;
  leg?: BoundLeg;
}

/** A player without `as` is somebody, too. */
const NAMELESS = 'player';

/**
 * One connection from the first byte to the last: what it wants, its place in a room, its end. Never rejects.
 * `waiting` is where `take` looks.
 */
export async function serve(
  host: Host,
  agent: string,
  peer: Peer,
  waiting: Map<string, Waiting>,
): Promise<void> {
  const ask = await peer.asked;
  if (ask !== undefined) {
    const leg = randomUUID();
    const gone = new AbortController();
    let placing = true; // afterwards the leg has its own end
    void peer.ended.then(() => placing && gone.abort());
    try {
      const request = requestOf(host, agent, peer, ask, leg, waiting);
      await host.place(request, () => {}, gone.signal); // the leg tells its connection itself
    } catch (error) {
      const why = terminationOf(error);
      host.count('refused', why.reason);
      const bound = waiting.get(peer.id)?.leg;
      if (bound !== undefined) bound.close(why);
      else peer.send({ type: 'refuse', code: statusOf(ask.type, why), text: why.text ?? why.reason });
    }
    placing = false;
  }
  const why = await peer.ended;
  waiting.get(peer.id)?.leg?.close(why);
  waiting.delete(peer.id);
  if (ask === undefined) host.count('unasked', why.reason);
}

/** Reads the path and makes the request; from then on `take` finds the connection. Throws a Refusal. */
function requestOf(
  host: Host,
  agent: string,
  peer: Peer,
  ask: Ask,
  leg: string,
  waiting: Map<string, Waiting>,
): LegRequest {
  const summary = `${ask.type} app "${maskToken(ask.app)}" name "${maskToken(ask.name)}"`;
  host.ladder(leg, { at: Date.now(), dir: 'in', transport: 'rtmp', summary });
  const path = pathOf(host, peer, ask, leg);
  const user = ask.type === 'publish' ? (path.user as string) : (path.as ?? NAMELESS);
  waiting.set(peer.id, { peer, asked: ask.type, path });
  return {
    v: 1,
    leg,
    trace: peer.id,
    gateway: 'rtmp',
    direction: 'in',
    who: {
      user,
      proof: 'claimed',
      address: peer.address,
      ...(path.token !== undefined && { credential: path.token }),
    },
    room: path.room,
    roles: [ask.type === 'publish' ? 'send' : 'receive'],
    pin: agent,
    begin: { type: 'offer', native: { connection: peer.id, stream: ask.type } },
  };
}

function pathOf(host: Host, peer: Peer, ask: Ask, leg: string): RtmpPath {
  try {
    const path = parsePath(ask.app, ask.name);
    if (ask.type === 'publish' && path.user === undefined)
      throw refuse('client', 'bad-path', 'Publishing needs a user in the path: room/<room>/<user>[/screen].');
    return path;
  } catch (error) {
    // Refusals of `place` are logged by the platform; this one never gets there.
    const { reason, text } = terminationOf(error);
    host.log.info({ leg, gateway: 'rtmp', address: peer.address, reason, text }, 'refused');
    throw error;
  }
}
