import type {
  Agent,
  Host,
  LegEvent,
  LegRequest,
  Seat,
  Termination,
  TicketRequest,
} from '../../src/contract.ts';
import { listenTcp, type TcpListener } from '../../src/io/tcp.ts';
import { refuse } from '../../src/kit/refusal.ts';
import type { RtmpConfig } from './config.ts';
import { serve, type Waiting } from './connection.ts';
import { formatPath } from './path.ts';
import { openPeer, type Peer } from './peer.ts';
import { Player } from './player.ts';
import { Publisher } from './publisher.ts';

/** More than one keyframe of any picture worth having; a player this far behind is not reading at all. */
const MAX_QUEUE_BYTES = 8 * 1024 * 1024;
const LINGER_MS = 2000;
const SHUTDOWN: Termination = {
  blame: 'server',
  reason: 'shutting-down',
  text: 'The server is shutting down.',
};

/** The RTMP agent: it listens itself, so every leg it takes is pinned to it. */
export function createRtmpAgent(host: Host, config: RtmpConfig, id: string): Agent {
  const peers = new Set<Peer>();
  const waiting = new Map<string, Waiting>();
  let listener: TcpListener | undefined;
  let closing = false;

  const full = (): string | undefined => {
    if (closing) return SHUTDOWN.text;
    return peers.size >= config.maxLegs
      ? `This server carries ${config.maxLegs} RTMP streams at most (rtmp.maxLegs); try again later.`
      : undefined;
  };

  const take = async (request: LegRequest, seat: Seat, emit: (e: LegEvent) => void) => {
    const mine = waitingFor(request);
    const bound =
      mine.asked === 'publish'
        ? new Publisher(host, request, seat, emit, mine.peer, {
            bFrames: config.bFrames,
            screen: mine.path.screen,
          })
        : new Player(host, request, seat, emit, mine.peer, {
            path: mine.path,
            maxPictureBps: config.maxPictureBps,
          });
    if (bound instanceof Player) await bound.ready();
    mine.leg = bound;
    bound.begin();
    emit({ type: 'description', id: 0, native: {} });
    return bound;
  };

  const waitingFor = (request: LegRequest): Waiting => {
    const native = request.begin.type === 'offer' ? request.begin.native : null;
    const connection =
      typeof native === 'object' && native !== null && 'connection' in native ? native.connection : undefined;
    const mine = typeof connection === 'string' ? waiting.get(connection) : undefined;
    if (mine === undefined || mine.leg !== undefined)
      throw refuse('client', 'connection-lost', 'The RTMP connection of this leg is not here any more.');
    return mine;
  };

  return {
    formats: ['AAC', 'opus', 'PCMU', 'PCMA', 'H264'],
    capacity: config.maxLegs,
    take,
    async start() {
      listener = await listenTcp(
        { ...config, setting: 'rtmp.port', maxQueueBytes: MAX_QUEUE_BYTES, lingerMs: LINGER_MS },
        host.clock,
        tcp => {
          const rejectWith = full();
          const { peer, handlers } = openPeer(tcp, {
            ...config,
            clock: host.clock,
            junk: reason => host.count('junk', reason),
            ...(rejectWith !== undefined && { rejectWith }),
          });
          peers.add(peer);
          void serve(host, id, peer, waiting).finally(() => peers.delete(peer));
          return handlers;
        },
        why => host.count('connections_refused', why),
      );
      return [
        { url: `rtmp://${authority(host, listener.port)}/room/<room>/<user>`, what: 'RTMP publish and play' },
      ];
    },
    ticketUrl: (ask, token) =>
      `rtmp://${authority(host, listener?.port ?? config.port)}${formatPath(ticketPath(ask, token))}`,
    async close() {
      closing = true;
      const closed = listener?.close();
      for (const peer of peers) peer.send({ type: 'close', why: SHUTDOWN });
      await closed;
    },
  };
}

/** What a ticket opens; a play ticket's `track` is the member to play (`bob`, `bob/screen`), none: the whole room. */
function ticketPath(ask: TicketRequest, token: string) {
  const { room, user, track } = ask;
  if (ask.role === 'publish') return { room, user, screen: track === 'screen', token };
  const [member, last] = (track ?? '').split('/');
  return { room, ...(member && { user: member }), screen: last === 'screen', as: user, token };
}

function authority(host: Host, port: number): string {
  const address = host.advertisedAddress();
  const name = address.includes(':') ? `[${address}]` : address;
  return port === 1935 ? name : `${name}:${port}`;
}
