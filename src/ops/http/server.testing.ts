import { randomBytes } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '../../../test/harness/fakes.ts';
import { systemClock } from '../../io/clock.ts';
import { refuse } from '../../kit/refusal.ts';
import { Access } from '../access.ts';
import { mountApi } from '../api/api.ts';
import type { ApiBackend, DrillView, PairView, RoomView } from '../api/backend.ts';
import { Metrics } from '../metrics.ts';
import { Tickets } from '../tickets.ts';
import { keptCertificate } from './certificate.ts';
import { type HttpLimits, HttpServer } from './server.ts';

export const ADMIN_KEY = 'admin-key-of-the-tests';

export interface Answer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** The body as JSON. */
  json(): Record<string, unknown>;
}

/** A backend with one room `1000`, its member `alice`, one leg and one agent; `calls` has what was asked of it. */
function fakeBackend(): ApiBackend & { readonly calls: unknown[][] } {
  const calls: unknown[][] = [];
  const did =
    (what: string, known: (...args: string[]) => boolean) =>
    async (...args: unknown[]) => {
      calls.push([what, ...args]);
      return known(...(args as string[]));
    };
  let room: RoomView = {
    room: '1000',
    participants: 1,
    settings: { pin: '4711', maxParticipants: 10, locked: false, layout: 'speaker' },
  };
  const leg = {
    leg: 'l1',
    trace: 't1',
    gateway: 'sip',
    direction: 'in',
    room: '1000',
    participant: 'alice',
    agent: 'a1',
    roles: ['send', 'receive'],
    state: 'up',
    openedAt: 1,
    streams: [
      {
        media: 'audio',
        direction: 'in',
        codec: 'PCMU',
        how: 'passthrough',
        packets: 5,
        bytes: 800,
        jitterMs: 1,
      },
    ],
  } as const;
  const call = {
    call: 'call-1',
    room: '1000',
    to: '+4930123',
    leg: 'l3',
    state: 'ringing',
    status: 180,
    text: 'It rings.',
    openedAt: 1,
    steps: [{ at: 1, state: 'ringing', status: 180, text: 'It rings.' }],
  } as const;
  const pair: PairView = {
    from: { process: 'r1', region: 'east' },
    to: { process: 'r2', region: 'west' },
    paths: [
      {
        use: 'standby',
        state: 'alive',
        lossPercent: 20,
        score: 3.9,
        correlation: 0.1,
        rttMs: 40,
        oneWayMs: 20,
      },
      { via: 'r3', use: 'chosen', state: 'alive', lossPercent: 0, score: 4.3, correlation: 1 },
    ],
    switchesLastHour: 1,
    text: 'To router r2 in west traffic takes the path by router r3.',
  };
  const drill: DrillView = {
    drill: 'drill-1',
    room: '1000',
    impairment: { loss: '30%' },
    direction: 'both',
    startedAt: 1,
    endsAt: 60_001,
    legs: [
      { leg: 'l1', gateway: 'sip', participant: 'alice', impaired: true },
      { leg: 'l4', gateway: 'rtmp', participant: 'bob', impaired: false, text: 'It travels by TCP.' },
    ],
  };
  return {
    calls,
    rooms: async () => [room],
    room: async id => (id === '1000' ? room : undefined),
    settings: async (id, patch) => {
      calls.push(['settings', id, patch]);
      const { pin, ...rest } = patch;
      const kept = pin === null ? undefined : (pin ?? room.settings.pin);
      const { pin: _, ...old } = room.settings;
      const set = Object.fromEntries(Object.entries(rest).filter(([, v]) => v !== undefined));
      room = { ...room, room: id, settings: { ...old, ...set, ...(kept !== undefined && { pin: kept }) } };
      return room;
    },
    endRoom: did('endRoom', id => id === '1000'),
    participants: async id =>
      id !== '1000'
        ? undefined
        : [
            {
              participant: 'alice',
              display: 'Alice',
              protocols: ['sip'],
              muted: { audio: false, video: false },
              state: 'here',
              tracks: [],
            },
          ],
    kick: did('kick', (_, who) => who === 'alice'),
    mute: did('mute', (_, who) => who === 'alice'),
    legs: async () => [leg, { ...leg, leg: 'l2', room: '1001' }],
    leg: async id => (id === 'l1' ? leg : undefined),
    ladder: async id =>
      id === 'l1' ? [{ at: 1, dir: 'in', transport: 'udp', summary: 'INVITE' }] : undefined,
    agents: async () => [
      {
        agent: 'a1',
        gateway: 'sip',
        process: 'p1',
        version: '0.1.0',
        region: 'here',
        formats: ['PCMU'],
        capacity: 100,
        legs: 1,
        draining: false,
        load: 0,
        outOfService: false,
      },
    ],
    drain: did('drain', id => id === 'a1'),
    outOfService: did('outOfService', id => id === 'a1'),
    ticket: async ask => {
      calls.push(['ticket', ask]);
      return { url: `rtmp://h/room/${ask.room}/${ask.user}`, token: 'tk_x', expiresAt: 2 };
    },
    dial: async (id, ask) => {
      calls.push(['dial', id, ask]);
      if (ask.to.startsWith('+1'))
        throw refuse('client', 'not-permitted', 'No trunk takes it: set sip.trunks[].outbound.numbers.');
      return { ...call, room: id, to: ask.to };
    },
    callsOf: async id => (id === '1000' ? [call] : []),
    cancelCall: did('cancelCall', id => id === 'call-1'),
    trunks: async () => [
      {
        trunk: 'office',
        gateway: 'sip',
        state: 'up',
        text: '1 of 1 proxies answer.',
        proxies: [{ name: 'sip:pbx', state: 'up', since: 1, text: 'It answers (200).', status: 200 }],
        accounts: [],
      },
    ],
    drill: async ask => {
      calls.push(['drill', ask]);
      if (ask.room === 'busy') throw refuse('client', 'drill-running', 'A drill runs in room busy already.');
      return drill;
    },
    paths: async () => [pair],
    drills: async () => [drill],
    stopDrill: did('stopDrill', id => id === drill.drill),
    metrics: async () => '',
    ready: async () => ({ ready: true }),
  };
}

/** A server on free ports with the API, one page and the fake backend. */
export async function testServer(limits: Partial<HttpLimits> = {}, httpPort = 0) {
  const backend = fakeBackend();
  const metrics = new Metrics();
  backend.metrics = async () => Metrics.merge([await metrics.json()]);
  const errors: object[] = [];
  const access = new Access({ apps: [], adminKey: ADMIN_KEY, tickets: new Tickets({ random: randomBytes }) });
  const dataDir = mkdtempSync(join(tmpdir(), 'rb-http-'));
  const certificate = await keptCertificate(dataDir, ['localhost', '127.0.0.1'], new Date());
  const server = new HttpServer({
    httpsPort: 0,
    httpPort,
    certificate,
    pages: [
      { path: '/r/:room', type: 'text/html; charset=utf-8', body: '<!doctype html><title>Room</title>' },
      { path: '/app.js', type: 'text/javascript', body: Buffer.from('1') },
    ],
    log: { ...silentLog, error: fields => void errors.push(fields) },
    metrics,
    clock: systemClock,
    limits,
    api: app => mountApi(app, { backend, access, metrics, version: '0.1.0', now: () => Date.now() }),
  });
  return { server, backend, metrics, errors, certificate };
}

export const portOf = (base: string): number => Number(new URL(base).port);

/** One request, self-signed certificates taken. */
export function ask(
  url: string,
  options: {
    method?: string;
    path?: string;
    headers?: Record<string, string>;
    body?: string | Buffer;
    ca?: string;
  } = {},
): Promise<Answer> {
  const { body, ca, ...rest } = options;
  const secure = url.startsWith('https:');
  return new Promise((done, fail) => {
    const request = (secure ? https : http).request(
      url,
      { ...rest, agent: false, ...(secure && (ca === undefined ? { rejectUnauthorized: false } : { ca })) },
      response => {
        const chunks: Buffer[] = [];
        response.on('data', c => chunks.push(c));
        response.on('error', fail);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          done({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: text,
            json: () => JSON.parse(text) as Record<string, unknown>,
          });
        });
      },
    );
    request.on('error', fail);
    request.end(body);
  });
}

/** Bytes on a bare connection; resolves with everything that came back when the server ended it. */
export function raw(port: number, bytes: string | Buffer, thenEnd = false): Promise<string> {
  return new Promise((done, fail) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(bytes);
      if (thenEnd) socket.end();
    });
    socket.on('data', c => chunks.push(c));
    socket.on('end', () => socket.end());
    socket.on('error', (e: NodeJS.ErrnoException) =>
      e.code === 'ECONNRESET' || e.code === 'EPIPE' ? undefined : fail(e),
    );
    socket.on('close', () => done(Buffer.concat(chunks).toString()));
  });
}
