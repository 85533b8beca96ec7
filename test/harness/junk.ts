import { createSocket } from 'node:dgram';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { WebSocket } from 'ws';
import { seeded } from './sip-world.ts';

const hex = (...all: string[]): Buffer[] => all.map(h => Buffer.from(h, 'hex'));
const text = (...all: string[]): Buffer[] => all.map(t => Buffer.from(t.replaceAll('\n', '\r\n')));

/** A message type 20 of `bodyBytes` on a chunk stream that is just open. */
const chunk = (type: number, bodyBytes: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(12);
  head[0] = 3;
  head.writeUIntBE(bodyBytes, 4, 3);
  head[7] = type;
  return Buffer.concat([head, body]);
};
/** C0, C1 and something that stands for C2. */
const HANDSHAKE = Buffer.concat([Buffer.of(3), Buffer.alloc(1536, 7), Buffer.alloc(1536, 9)]);
const connectCommand = Buffer.concat(hex('020007636f6e6e656374003ff0000000000000'));
/** An object in an object in an object …; each level is a key `a` and the object marker. */
const nested = (levels: number): Buffer =>
  Buffer.concat([connectCommand, Buffer.alloc(levels * 4, Buffer.of(3, 0, 1, 0x61))]);

/** How honest messages of each protocol begin, and what is monstrous in it. */
export const SAMPLES = {
  sip: text(
    'OPTIONS sip:127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKjunk;rport\nMax-Forwards: 70\nFrom: <sip:j@127.0.0.1>;tag=j\nTo: <sip:127.0.0.1>\nCall-ID: junk\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n',
    'INVITE sip:junk@127.0.0.1 SIP/2.0\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKjunk\nFrom: <sip:j@127.0.0.1>;tag=j\nTo: <sip:127.0.0.1>\nCall-ID: junk\nCSeq: 1 INVITE\nContent-Type: application/sdp\nContent-Length: 99999999\n\nv=0\n',
    `BYE sip:x SIP/2.0\n${'Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\n'.repeat(200)}\n`,
    'SIP/2.0 200 OK\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKjunk\nCSeq: 1 INVITE\nCall-ID: junk\n\n',
  ),
  media: hex(
    '000100342112a442000000000000000000000000000600096a756e6b3a6a756e6b000000802a00080000000000000000',
    '16fefd000000000000000000500100004400000000000000440303',
    '17fefd00010000000000010010',
    '8000000000000000cafebabeffffffff',
    '80c80006cafebabe000000000000000000000000000000000000000',
    '81c90007cafebabe',
    '90e0bede0001ffff',
  ),
  rtmp: [
    HANDSHAKE,
    Buffer.concat([HANDSHAKE, chunk(1, 4, Buffer.from('7fffffff', 'hex'))]),
    Buffer.concat([HANDSHAKE, chunk(20, 0xffffff, connectCommand)]),
    Buffer.concat([
      HANDSHAKE,
      chunk(1, 4, Buffer.from('00ffffff', 'hex')),
      chunk(20, 40_020, nested(10_000)),
    ]),
    Buffer.concat([HANDSHAKE, chunk(20, connectCommand.length, connectCommand)]),
  ],
  http: text(
    'GET /api/v1/rooms HTTP/1.1\nHost: x\n\n',
    `GET / HTTP/1.1\nHost: x\nX-Long: ${'x'.repeat(40_000)}\n\n`,
    `GET / HTTP/1.1\n${'X-Many: y\n'.repeat(2000)}\n`,
    'POST /whip/1000?user=junk HTTP/1.1\nHost: x\nContent-Type: application/sdp\nContent-Length: 9999999999\n\nv=0',
    'POST /whip/1000 HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nffffffff\n',
    'GET /stomp HTTP/1.1\nHost: x\nUpgrade: websocket\nConnection: Upgrade\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n',
  ),
  stomp: [
    ...[
      'CONNECT\naccept-version:1.2\nhost:x\nlogin:junk\n\n\0',
      'SEND\ndestination:/room/1/text\n\n{"text":1}\0',
    ].map(t => Buffer.from(t)),
    Buffer.from(`CONNECT\n${'a:b\n'.repeat(5000)}\n\0`),
  ],
  artp: [...hex('00000010', '7fffffff', 'ffffffff'), Buffer.from('\0\0\0\x0e{"t":"hello"}')],
} as const;
export type Kind = keyof typeof SAMPLES;

/** Seeded: the same junk in every run. */
export class Junk {
  readonly #random: () => number;
  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  below(n: number): number {
    return Math.floor(this.#random() * n);
  }

  /** Noise, or an honest beginning cut short, followed by noise, with bytes changed, or as it is. */
  bytes(kind: Kind): Buffer {
    const of: readonly Buffer[] = SAMPLES[kind];
    const honest = of[this.below(of.length)] as Buffer;
    const noise = (most: number): Buffer =>
      Buffer.from(Array.from({ length: this.below(most) }, () => this.below(256)));
    switch (this.below(5)) {
      case 0:
        return noise(1400);
      case 1:
        return Buffer.concat([honest.subarray(0, this.below(honest.length + 1)), noise(200)]);
      case 2:
        return honest;
      default: {
        const changed = Buffer.from(honest);
        for (let i = this.below(8); i >= 0; i--) changed[this.below(changed.length)] = this.below(256);
        return changed;
      }
    }
  }

  /** `count` datagrams, 400 a second. */
  async shoot(port: number, kind: Kind, count: number): Promise<void> {
    const socket = createSocket('udp4').on('error', () => {});
    for (let i = 0; i < count; i++) {
      socket.send(this.bytes(kind).subarray(0, 1472), port, '127.0.0.1');
      if (i % 10 === 9) await pause(25);
    }
    await pause(50);
    socket.close();
  }

  /** `count` connections one after another that say junk and are cut off. */
  async pour(port: number, kind: Kind, count: number, tls = false): Promise<void> {
    for (let i = 0; i < count; i++) {
      const socket = tls
        ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
        : connect(port, '127.0.0.1');
      socket.on('error', () => {}).resume();
      for (let n = this.below(4); n >= 0; n--) socket.write(this.bytes(kind));
      await pause(50);
      if (this.below(2) === 0) socket.destroy();
      else socket.end();
      setTimeout(() => socket.destroy(), 500);
    }
  }

  async whisper(url: string, count: number, kind: 'stomp' | 'sip' = 'stomp'): Promise<void> {
    for (let i = 0; i < count; i++) {
      const socket = new WebSocket(url, kind === 'sip' ? 'sip' : 'v12.stomp').on('error', () => {});
      await new Promise(resolve => socket.once('open', resolve).once('close', resolve));
      for (let n = this.below(4); n >= 0; n--)
        if (socket.readyState === socket.OPEN) socket.send(this.bytes(kind));
      await pause(50);
      socket.terminate();
    }
  }
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** Connections that say `message` byte by byte and never come to its end. Resolves with how many the other side has closed. */
export async function slowly(port: number, message: Buffer, count: number, ms: number): Promise<number> {
  let closed = 0;
  const sockets: Socket[] = Array.from({ length: count }, () =>
    connect(port, '127.0.0.1')
      .on('error', () => {})
      .on('close', () => void closed++)
      .resume(),
  );
  for (let i = 0; i * 500 < ms; i++) {
    for (const s of sockets) if (!s.destroyed) s.write(message.subarray(i, i + 1));
    await pause(500);
  }
  const byThem = closed;
  for (const s of sockets) s.destroy();
  return byThem;
}
