import type { IncomingMessage } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Agent, Host } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { STOMP_LIMITS } from '../../src/proto/stomp/frame.ts';
import type { StompConfig } from './config.ts';
import { Connection } from './connection.ts';

/** Browsers send these; a protocol they did not offer would make them close. */
const SUBPROTOCOLS = ['v12.stomp', 'v11.stomp', 'v10.stomp'];

/** Holds the WebSockets itself, so its legs are pinned to it: front and agent in one. */
export function createStompAgent(host: Host, config: StompConfig, id: string): Agent {
  const connections = new Map<string, Connection>();
  const perAddress = new Map<string, number>();
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: STOMP_LIMITS.frameBytes,
    perMessageDeflate: false,
    handleProtocols: offered => SUBPROTOCOLS.find(p => offered.has(p)) ?? false,
  });
  let serial = 0;

  const opened = (socket: WebSocket, address: string): void => {
    const held = perAddress.get(address) ?? 0;
    if (held >= config.maxPerAddress || connections.size >= config.maxLegs) {
      host.count('refused', 'too-many-connections');
      return socket.close(1013, 'too many connections; try again later');
    }
    perAddress.set(address, held + 1);
    const connection = new Connection({ host, agent: id, id: `${id}-${++serial}`, socket, address });
    connections.set(connection.id, connection);
    socket.once('close', () => {
      connections.delete(connection.id);
      const left = (perAddress.get(address) ?? 1) - 1;
      if (left > 0) perAddress.set(address, left);
      else perAddress.delete(address);
    });
  };

  return {
    formats: [],
    capacity: config.maxLegs,
    async start() {
      if (host.http === undefined)
        throw refuse('server', 'no-http', 'STOMP needs the HTTP server of a front process.');
      host.http.upgrade(config.path, (request: IncomingMessage, socket, head) => {
        sockets.handleUpgrade(request, socket, head, ws => opened(ws, request.socket.remoteAddress ?? ''));
      });
      return [
        {
          url: `${host.http.bases[0]?.replace(/^http/, 'ws') ?? 'ws:'}${config.path}`,
          what: 'STOMP signalling',
        },
      ];
    },
    async take(request, seat, emit) {
      const native = request.begin.type === 'offer' ? request.begin.native : undefined;
      const connection = connections.get(String((native as { connection?: string } | undefined)?.connection));
      if (connection === undefined)
        throw refuse('client', 'connection-lost', 'The WebSocket closed before it was seated.');
      return connection.bind(seat, emit);
    },
    async close() {
      for (const connection of connections.values())
        connection.end({ blame: 'server', reason: 'shutting-down', text: 'The server is shutting down.' });
      sockets.close();
    },
  };
}
