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
const CONNECTIONS = 25;

const torture = readFileSync(new URL('../../fixtures/sip/torture.txt', import.meta.url), 'latin1')
  .split(/^---\n/m)
  .slice(1)
  .map(m => (m.split(/^=== /m, 1)[0] as string).replace(/\n/g, '\r\n'));
/** How honest messages of each protocol begin. */
const BEGINNINGS: readonly Buffer[] = [
  ...torture.map(m => Buffer.from(m, 'latin1')),
  ...[
    '0001002c2112a442',
    '16fefd0000000000000000',
    '17fefd0001000000000000',
    '8000',
    '80c9',
    '90e0',
    'bfff',
  ].map(hex => Buffer.from(hex, 'hex')),
  Buffer.concat([Buffer.of(3), Buffer.alloc(3072)]), // RTMP, hands shaken
  Buffer.from('GET /api/v1/rooms HTTP/1.1\r\nHost: x\r\n\r\n'),
  Buffer.from(
    'POST /whip/1000 HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 99\r\n\r\nv=0',
  ),
  Buffer.from('CONNECT\naccept-version:1.2\n\n\0'),
  Buffer.from('SUBSCRIBE\nid:0\ndestination:/room/1\n\n\0'),
  Buffer.from('00000010', 'hex'), // aRTP control: a frame of 16 bytes
];

/** Noise, an honest beginning cut short and followed by noise, or one with bytes changed. */
function junk(): Buffer {
  const honest = BEGINNINGS[below(BEGINNINGS.length)] as Buffer;
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
async function shoot(port: number): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  for (let i = 0; i < SHOTS; i++)
    await new Promise<void>(resolve =>
      socket.send(junk().subarray(0, 60_000), port, '127.0.0.1', () => resolve()),
    );
  socket.close();
}

/** Connections that say junk in pieces and are cut off in the middle. */
async function pour(open: () => Socket): Promise<void> {
  for (let i = 0; i < CONNECTIONS; i++) {
    const socket = open();
    socket.on('error', () => {});
    socket.resume();
    await new Promise(resolve => {
      socket.once('close', resolve);
      for (let n = below(5); n >= 0; n--) socket.write(junk());
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
    for (const port of [sip, webrtc, artp, call.rtpPort, call.rtpPort + 1]) await shoot(port);
    for (const port of [sip, rtmp, http, https, artp + 1]) await pour(() => connect(port, '127.0.0.1'));
    for (const port of [https, artp + 1])
      await pour(() => connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }));
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
      for (let n = below(6); n >= 0; n--) socket.send(junk());
      setTimeout(() => socket.terminate(), 100);
    });
  });
}
