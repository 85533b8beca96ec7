/** Ways a test speaks SIP that sipp has not: each hears whole messages. */
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';
import { WebSocket } from 'ws';

export interface Wire {
  /** As in a Via. */
  readonly transport: 'UDP' | 'TCP' | 'TLS' | 'WS' | 'WSS';
  readonly port: number;
  /** What stands in Via and Contact as our address. */
  readonly host?: string;
  send(bytes: string | Uint8Array): void;
  close(): Promise<void>;
  /** Ends without a word, as a lost network does. */
  kill?(): void;
  readonly closed?: Promise<void>;
}

/** Cuts a stream into messages by Content-Length; line ends between them are messages of their own. */
export function splitting(hear: (message: string) => void): (data: Buffer) => void {
  let text = '';
  return data => {
    text += data.toString('latin1');
    for (;;) {
      if (text.startsWith('\r\n')) {
        text = text.slice(2);
        hear('\r\n');
        continue;
      }
      const head = text.indexOf('\r\n\r\n') + 4;
      const length = head + Number(/^Content-Length: (\d+)/im.exec(text.slice(0, head))?.[1] ?? 0);
      if (head < 4 || text.length < length) return;
      hear(text.slice(0, length));
      text = text.slice(length);
    }
  };
}

/** Rejects when the handshake fails. Certificates are not checked unless `o` says so. */
export function tlsWire(
  port: number,
  hear: (message: string) => void,
  o: ConnectionOptions = {},
): Promise<Wire & { readonly certificate: string }> {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...o });
  socket.on('data', splitting(hear));
  const closed = ended(socket);
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.once('secureConnect', () =>
      resolve({
        transport: 'TLS',
        port: socket.localPort as number,
        certificate: String(socket.getPeerCertificate().subject.CN),
        send: bytes => void socket.write(bytes),
        close: async () => void socket.destroy(),
        kill: () => void socket.destroy(),
        closed,
      }),
    );
  });
}

const ended = (socket: Socket): Promise<void> => new Promise(done => void socket.once('close', () => done()));

/** Of WebSockets, which have none that a server sees: tells their calls apart. */
let nextPort = 50_000;

/** RFC 7118. `binary`: which kind of frame it sends. Rejects when the upgrade is refused. */
export function webSocketWire(
  url: string,
  hear: (message: string) => void,
  o: { readonly binary?: boolean; readonly protocol?: string; readonly kinds?: boolean[] } = {},
): Promise<Wire & { readonly protocol: string }> {
  const { binary = false, protocol = 'sip', kinds } = o;
  const socket = new WebSocket(url, protocol, { rejectUnauthorized: false });
  socket.on('message', (data: Buffer, isBinary) => {
    kinds?.push(isBinary);
    hear(data.toString('latin1'));
  });
  const closed = new Promise<void>(done => void socket.once('close', () => done()));
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.once('open', () =>
      resolve({
        transport: url.startsWith('wss') ? 'WSS' : 'WS',
        port: ++nextPort,
        host: 'df7jal23ls0d.invalid', // RFC 7118 §5: a page knows no address of its own
        protocol: socket.protocol,
        send: bytes => socket.send(Buffer.from(bytes as string), { binary }),
        close: async () => void socket.close(),
        kill: () => socket.terminate(),
        closed,
      }),
    );
  });
}
