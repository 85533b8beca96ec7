import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { Caller } from '../bench/caller.ts';
import { Server } from '../harness/server.ts';
import { seeded } from '../harness/sip-world.ts';

/** The same junk in every run; another seed finds other things. */
const random = seeded(Number(process.env.JUNK_SEED ?? 1));
const below = (n: number): number => Math.floor(random() * n);
const noise = (n: number): Buffer => Buffer.from(Array.from({ length: n }, () => below(256)));
const SHOTS = 400;
const CONNECTIONS = 60;

const torture = readFileSync(new URL('../../fixtures/sip/torture.txt', import.meta.url), 'latin1')
  .split(/^---\n/m)
  .slice(1)
  .map(m => (m.split(/^=== /m, 1)[0] as string).replace(/\n/g, '\r\n'));
const hex = (...all: string[]): Buffer[] => all.map(h => Buffer.from(h, 'hex'));
const text = (...all: string[]): Buffer[] => all.map(t => Buffer.from(t));
/** How honest messages of each protocol begin. */
const BEGINNINGS = {
  sip: torture.map(m => Buffer.from(m, 'latin1')),
  media: hex(
    '0001002c2112a442',
    '16fefd0000000000000000',
    '17fefd0001000000000000',
    '8000',
    '80c9',
    '90e0',
    'bfff',
  ),
  rtmp: [
    Buffer.of(3),
    Buffer.alloc(3073, 3),
    Buffer.concat([Buffer.alloc(3073, 3), ...hex('0300000000000f14000000000200')]),
  ],
  http: text(
    'GET /api/v1/rooms HTTP/1.1\r\nHost: x\r\n\r\n',
    'POST /whip/1000 HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 99\r\n\r\nv=0',
    'GET /stomp HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n',
  ),
  stomp: text('CONNECT\naccept-version:1.2\n\n\0', 'SUBSCRIBE\nid:0\ndestination:/room/1\n\n\0', 'SEND\n'),
  artp: [...hex('00000010', '7fffffff', '00000000'), ...text('\0\0\0\x0e{"type":"hello"')],
} as const;
type Kind = keyof typeof BEGINNINGS;
const KINDS = Object.keys(BEGINNINGS) as Kind[];

/** Noise, an honest beginning cut short and followed by noise, or one with bytes changed; mostly of `kind`. */
function junk(kind: Kind): Buffer {
  const of: readonly Buffer[] = BEGINNINGS[below(4) === 0 ? (KINDS[below(KINDS.length)] as Kind) : kind];
  const honest = of[below(of.length)] as Buffer;
  switch (below(4)) {
    case 0:
      return noise(below(1400));
    case 1:
      return Buffer.concat([honest.subarray(0, below(honest.length + 1)), noise(below(200))]);
    case 2:
      return Buffer.concat([honest, noise(below(50))]);
    default: {
      const changed = Buffer.from(honest);
      for (let i = below(6); i >= 0; i--) changed[below(changed.length)] = below(256);
      return changed;
    }
  }
}

/** Datagrams at one port. */
async function shoot(port: number, kind: Kind): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  for (let i = 0; i < SHOTS; i++)
    await new Promise<void>(resolve => socket.send(junk(kind), port, '127.0.0.1', () => resolve()));
  socket.close();
}

/** Connections that say junk in pieces and are cut off in the middle. */
async function pour(kind: Kind, open: () => Socket): Promise<void> {
  for (let i = 0; i < CONNECTIONS; i++) {
    const socket = open();
    socket.on('error', () => {});
    socket.resume();
    await new Promise(resolve => {
      socket.once('close', resolve);
      for (let n = below(5); n >= 0; n--) socket.write(junk(kind));
      setTimeout(() => (below(2) === 0 ? socket.destroy() : socket.end()), 20);
      setTimeout(() => socket.destroy(), 200);
    });
  }
}

describe('any bytes on any port', () => {
  const dir = mkdtempSync(join(tmpdir(), 'junk-'));
  let server: Server;
  let artp: number;
  beforeAll(async () => {
    server = await Server.start(dir, 'one process');
    const config = readFileSync(join(dir, 'roombridge.yaml'), 'utf8');
    artp = Number(/artp: .*?\bport: (\d+)/.exec(config)?.[1]);
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('never stop the process or a call, and no bug is logged', { timeout: 120_000 }, async () => {
    const caller = new Caller(server.ports.sip);
    await caller.open();
    const call = await caller.call('1000', 'bystander', 40_000);
    const { sip, rtmp, http, https, webrtc } = server.ports;
    const datagrams: [number, Kind][] = [
      [sip, 'sip'],
      [webrtc, 'media'],
      [artp, 'media'],
      [call.rtpPort, 'media'],
      [call.rtpPort + 1, 'media'],
    ];
    for (const [port, kind] of datagrams) await shoot(port, kind);
    const streams: [number, Kind][] = [
      [sip, 'sip'],
      [rtmp, 'rtmp'],
      [http, 'http'],
      [https, 'http'],
      [artp + 1, 'artp'],
    ];
    for (const [port, kind] of streams) await pour(kind, () => connect(port, '127.0.0.1'));
    for (const [port, kind] of streams.slice(3))
      await pour(kind, () => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }));
    for (let i = 0; i < CONNECTIONS; i++) await signal(`ws://127.0.0.1:${http}/stomp`);

    expect((await fetch(`${server.web}/healthz`)).status).toBe(200);
    expect(server.bugs()).toEqual([]);
    expect(await server.participants('1000')).toContain('bystander');
    await call.end(); // rejects when the call did not live to see its BYE answered
    const next = await caller.call('1000', 'afterwards', 40_002);
    await next.end();
    caller.close();
    expect(await server.stop()).toEqual([0]);
  });
});

/** A WebSocket that says junk; resolves when it is closed. */
function signal(url: string): Promise<void> {
  return new Promise(resolve => {
    const socket = new WebSocket(url);
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.on('open', () => {
      for (let n = below(6); n >= 0; n--) socket.send(junk('stomp'));
      setTimeout(() => socket.terminate(), 100);
    });
  });
}
