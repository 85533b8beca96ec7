import type { IncomingMessage } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Host } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { type Flow, flowTo } from '../../src/proto/sip/flow.ts';
import type { SipConfig } from './config.ts';

/** RFC 7118 §6: keeps the paths of NATs and proxies open, and tells who is gone. */
const PING_MS = 25_000;
/** What any SIP message of ours fits in: a head and a body at their limits. */
const MAX_MESSAGE_BYTES = 2 * 65_536;
const MAX_WAITING_BYTES = 1024 * 1024;

export interface WebSocketsOn {
  /** One whole message (RFC 7118 §5: exactly one in a frame). */
  message(flow: Flow, bytes: Buffer): void;
  closed(flow: Flow): void;
  /** Whether this address may connect now. */
  admits(address: string): boolean;
}

interface Connection {
  readonly socket: WebSocket;
  stop(): void;
}

/** SIP over WebSocket, RFC 7118: what the web server was upgraded to. */
export class WebSockets {
  readonly #host: Host;
  readonly #config: SipConfig;
  readonly #on: WebSocketsOn;
  readonly #connections = new Map<string, Connection>();
  readonly #perAddress = new Map<string, number>();
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols: offered => (offered.has('sip') ? 'sip' : false),
  });
  #closed = false;

  constructor(host: Host, config: SipConfig, on: WebSocketsOn) {
    this.#host = host;
    this.#config = config;
    this.#on = on;
    host.http?.upgrade(config.webSocketPath, (request, socket, head) => {
      // RFC 7118 §4: "The WebSocket client MUST include the value "sip" in the Sec-WebSocket-Protocol header field".
      const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(p => p.trim());
      if (!offered.includes('sip'))
        throw refuse('client', 'bad-request', 'SIP over WebSocket needs the sub-protocol sip (RFC 7118 §4).');
      this.#admit(addressOf(request));
      this.#server.handleUpgrade(request, socket, head, ws => this.#opened(ws, request));
    });
  }

  get connections(): number {
    return this.#connections.size;
  }

  send(flow: Flow, bytes: Uint8Array): void {
    const socket = this.#connections.get(flow.id)?.socket;
    // A browser cannot be called back: what is gone is gone.
    if (socket?.readyState !== 1) return queueMicrotask(() => this.#gone(flow));
    // §5.3: either kind of frame; text is what people see in their browser's tools.
    socket.send(bytes, { binary: !isText(bytes) });
    if (socket.bufferedAmount <= MAX_WAITING_BYTES) return;
    this.#host.count('dropped', 'slow-reader');
    socket.terminate();
  }

  hangUp(flow: Flow): void {
    this.#connections.get(flow.id)?.socket.close(1000);
  }

  close(): void {
    this.#closed = true;
    for (const { socket, stop } of this.#connections.values()) {
      stop();
      socket.close(1001, 'the server is shutting down');
      const undo = this.#host.clock.at(this.#host.clock.now() + 1000, () => socket.terminate());
      socket.once('close', undo);
    }
    this.#server.close();
  }

  /** Throws a Refusal. */
  #admit(address: string): void {
    const { maxConnections, maxPerAddress } = this.#config;
    const full =
      this.#connections.size >= maxConnections || (this.#perAddress.get(address) ?? 0) >= maxPerAddress;
    if (full || this.#closed || !this.#on.admits(address)) {
      this.#host.count('dropped', full ? 'ws-connections' : 'ws-refused');
      throw refuse('server', 'not-ready', 'No SIP connection can be taken from this address now.');
    }
  }

  #opened(socket: WebSocket, request: IncomingMessage): void {
    const address = addressOf(request);
    const transport = 'encrypted' in request.socket ? 'wss' : 'ws';
    const flow = flowTo(transport, address, request.socket.remotePort ?? 0);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    this.#connections.set(flow.id, { socket, stop: this.#pings(socket) });
    socket.on('message', (data: Buffer) => {
      if (!this.#closed) this.#on.message(flow, data);
    });
    socket.on('error', () => this.#host.count('dropped', 'websocket-error'));
    socket.once('close', () => {
      const left = (this.#perAddress.get(address) ?? 1) - 1;
      if (left > 0) this.#perAddress.set(address, left);
      else this.#perAddress.delete(address);
      this.#gone(flow);
    });
  }

  /** Until stopped. A peer that has not answered one ping by the next is gone. */
  #pings(socket: WebSocket): () => void {
    const { clock } = this.#host;
    let answered = true;
    let undo = (): void => {};
    const ping = (): void => {
      if (!answered) return socket.terminate();
      answered = false;
      socket.ping();
      undo = clock.at(clock.now() + PING_MS, ping);
    };
    undo = clock.at(clock.now() + PING_MS, ping);
    socket.on('pong', () => (answered = true));
    return () => undo();
  }

  #gone(flow: Flow): void {
    this.#connections.get(flow.id)?.stop();
    this.#connections.delete(flow.id);
    if (!this.#closed) this.#on.closed(flow);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** RFC 6455 §8.1: a text frame that is not UTF-8 ends the connection. */
function isText(bytes: Uint8Array): boolean {
  try {
    UTF8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

const addressOf = (request: IncomingMessage): string =>
  (request.socket.remoteAddress ?? '').replace(/^::ffff:(?=\d+\.)/, '');
