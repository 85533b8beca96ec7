import { randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import { connect as connectTcp, type Socket as TcpSocket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { callResume } from '../../src/proto/artp/session/resume.ts';
import { writeTrailer } from '../../src/proto/artp/trailer.ts';
import { DtlsClient } from '../../src/proto/dtls/client.ts';
import { portsOf } from '../../test/harness/artp-relay.ts';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { type Weight, weigh } from '../../test/harness/weigh.ts';
import { HELLO_PROFILES, HELLO_TIMING } from './bootstrap.ts';
import { Tickets } from './tickets.ts';
import { eventually, World } from './world.testing.ts';

const turn = (): Promise<void> => new Promise(done => setImmediate(done));

/** Somebody with an address: what went from there, and what came back. */
interface Stranger {
  readonly socket: Socket;
  readonly heard: Buffer[];
  sentBytes: number;
  heardBytes: number;
}

let world: World;
let clock: VirtualClock;
let port: number;
let tlsPort: number;
const strangers: Stranger[] = [];
const tcps: TcpSocket[] = [];

beforeEach(async () => {
  clock = new VirtualClock();
  world = await World.open({}, { clock });
  ({ udpPort: port, tlsPort } = portsOf(world.url));
});
afterEach(async () => {
  for (const { socket } of strangers.splice(0)) socket.close();
  for (const tcp of tcps.splice(0)) tcp.destroy();
  await world.close();
});

async function stranger(address: string): Promise<Stranger> {
  const socket = createSocket('udp4');
  await new Promise<void>(done => socket.bind(0, address, done));
  const one: Stranger = { socket, heard: [], sentBytes: 0, heardBytes: 0 };
  socket.on('message', bytes => {
    one.heard.push(bytes);
    one.heardBytes += bytes.length;
  });
  strangers.push(one);
  return one;
}
function say(from: Stranger, bytes: Uint8Array): void {
  from.sentBytes += bytes.length;
  from.socket.send(bytes, port, '127.0.0.1');
}

/** The agent and all it keeps, but for what the host, the system and the test have. */
const held = (): Weight =>
  weigh(world.agent, value => value === world.host || value instanceof EventEmitter || value === clock);
const entries = (w: Weight, field: string): number =>
  [...w.entries].reduce((sum, [path, n]) => (path.endsWith(field) ? sum + n : sum), 0);
const counted = (what: string): number => world.host.counts.filter(c => c === what).length;

/** The client's next flight of a handshake. */
function flight(dtls: DtlsClient, input: { type: 'start' } | { type: 'datagram'; bytes: Buffer }): Buffer[] {
  dtls.handle(input, clock.now());
  const out: Buffer[] = [];
  for (let o = dtls.poll(); o !== undefined; o = dtls.poll()) if (o.type === 'send') out.push(o.bytes);
  return out;
}
const dtlsClient = (): DtlsClient =>
  new DtlsClient({
    identity: undefined as never, // nobody gets so far
    fingerprints: 'anyone',
    profiles: HELLO_PROFILES,
    random: randomBytes,
    timing: HELLO_TIMING,
    junk() {},
  });

describe('a flood of strangers on UDP', () => {
  it('from many addresses: each is answered less than three times what it sent, and nothing is kept', async () => {
    const before = held();
    const foreign = await Tickets.open({ ...world.host, secret: async () => randomBytes(32) });
    const seated = { room: '1000', user: 'mallory', roles: [], secret: 's' };
    const sealed = foreign.seal(randomBytes(32), 'aes-128-gcm', seated, Date.now())!;
    const resume = callResume(
      { ticket: sealed, secret: randomBytes(32), connection: randomBytes(8) },
      randomBytes,
    );
    const rtp = Buffer.alloc(1200);
    for (let n = 0; n < 120; n++) {
      const one = await stranger(`127.0.${1 + (n % 40)}.${2 + n}`);
      const [hello] = flight(dtlsClient(), { type: 'start' });
      for (let i = 0; i < 10; i++) {
        randomBytes(1100).copy(rtp);
        rtp[0] = 0x80;
        rtp[1] = i % 2 === 0 ? 96 : 204;
        const length = writeTrailer(rtp, 1100, i % 3 === 0 ? undefined : randomBytes(8), i, n, 7);
        say(one, rtp.subarray(0, length));
        say(one, resume.datagram.subarray(0, i % 2 === 0 ? undefined : 60 * i));
        say(one, hello!);
        say(one, hello!.subarray(0, 13 + 20 * i));
      }
      await turn();
    }
    await eventually(() => expect(world.host.counts.length).toBeGreaterThan(2000));
    await new Promise(done => setTimeout(done, 50));
    for (const s of strangers) expect(s.heardBytes).toBeLessThanOrEqual(3 * s.sentBytes);
    const bytes = (what: 'sentBytes' | 'heardBytes'): number =>
      strangers.reduce((sum, s) => sum + s[what], 0);
    expect(bytes('heardBytes')).toBeGreaterThan(0); // cookies are asked for
    expect(bytes('heardBytes')).toBeLessThan(bytes('sentBytes'));
    const after = held();
    for (const field of [
      '#visits',
      '#byConnection',
      '#byRoute',
      '#answers',
      '#unopened',
      '#pipes',
      '#legs',
      'waiting',
    ])
      expect([field, entries(after, `.${field}`)]).toEqual([field, 0]);
    // What is left is how often each address may be listened to: ten thousand of those, no more.
    expect(after.objects - before.objects).toBeLessThan(3 * strangers.length);
    expect(world.requests).toEqual([]);
  });

  it('that show cookies and go no further: so many of one address, so many in all, for so long', async () => {
    const knock = async (address: string): Promise<void> => {
      const one = await stranger(address);
      const dtls = dtlsClient();
      for (const b of flight(dtls, { type: 'start' })) say(one, b);
      await eventually(() => expect(one.heard.length).toBe(1));
      for (const b of flight(dtls, { type: 'datagram', bytes: one.heard[0]! })) say(one, b);
    };
    for (let n = 0; n < 4; n++) {
      for (let i = 0; i < 20; i++) await knock('127.0.0.9');
      clock.run(1000); // within this, an address may say so much
    }
    const refused = () => counted('refused/too-many-hellos');
    await eventually(() => expect(refused()).toBeGreaterThan(0));
    expect(entries(held(), '#hellos.#visits')).toBe(64);
    for (let n = 0; n < 210; n++) await knock(`127.0.1.${1 + n}`);
    await eventually(() => expect(refused()).toBeGreaterThanOrEqual(16 + 18));
    expect(entries(held(), '#hellos.#visits')).toBe(256);
    clock.run(25_000);
    expect(entries(held(), '#hellos.#visits')).toBe(0);
  });

  it('that have a good ticket, and ask with it again and again: so many sessions wait, for so long', async () => {
    const tickets = await Tickets.open(world.host);
    const secret = randomBytes(32);
    const seated = { room: '1000', user: 'alice', roles: ['send' as const], secret: 'resume-me' };
    const ticket = tickets.seal(secret, 'aes-128-gcm', seated, Date.now())!;
    for (let n = 0; n < 40; n++) {
      const one = await stranger(`127.0.2.${1 + n}`);
      for (let i = 0; i < 40; i++) {
        const { datagram } = callResume({ ticket, secret, connection: randomBytes(8) }, randomBytes);
        say(one, datagram);
        say(one, datagram);
        if (i % 8 === 7) await turn();
      }
    }
    await eventually(() => expect(counted('refused/too-many-resumes')).toBeGreaterThan(100));
    const w = held();
    expect(entries(w, '#resuming.#unopened')).toBe(1024);
    expect(entries(w, '#members.#byConnection')).toBe(1024);
    expect(entries(w, '#resuming.#answers')).toBeLessThanOrEqual(1024);
    expect(w.bytes).toBeLessThan(1024 * 100 * 1024);
    for (const s of strangers) expect(s.heardBytes).toBeLessThanOrEqual(3 * s.sentBytes);
    clock.run(11_000);
    expect(entries(held(), '#members.#byConnection')).toBe(0);
    expect(entries(held(), '#resuming.#unopened')).toBe(0);
    expect(world.requests).toEqual([]);
  });
});

describe('a flood of strangers on TCP', () => {
  it('half-open, mute, in the middle of a word: so many, for so long, and then nothing is left', async () => {
    const before = held();
    const frame = (text: string): Buffer =>
      Buffer.concat([Buffer.of(text.length >> 8, text.length & 255), Buffer.from(text)]);
    const hello = { type: 'hello', version: 1, room: '1000', user: 'mallory' };
    const words = [
      Buffer.alloc(0),
      Buffer.of(0x1f),
      Buffer.from([0x1f, 0x40, 0x7b, 1, 2, 3]),
      frame(JSON.stringify(hello)),
    ];
    let closed = 0;
    for (let n = 0; n < 80; n++) {
      const localAddress = `127.0.3.${1 + (n % 8)}`;
      const at = { host: '127.0.0.1', port: tlsPort, localAddress };
      const word = words[n % words.length]!;
      const tcp: TcpSocket =
        n % 5 === 4
          ? connectTcp(at)
          : connectTls({ ...at, rejectUnauthorized: false }, () => tcp.write(word));
      tcp.on('error', () => {});
      tcp.on('close', () => closed++);
      tcp.resume();
      tcps.push(tcp);
    }
    // Who says a HELLO that is none is told so and closed; the others are waited for.
    await eventually(() => expect(counted('refused/bad-hello')).toBe(16));
    await eventually(() => expect(closed).toBeGreaterThanOrEqual(16));
    expect(entries(held(), '#streams.#pipes')).toBeLessThanOrEqual(64);
    clock.run(6000); // the handshakes themselves are timed by the system: src/io/tls.test.ts
    await eventually(() => expect(closed).toBe(64));
    for (const tcp of tcps) tcp.destroy();
    await eventually(() => expect(entries(held(), '#streams.#pipes')).toBe(0));
    expect(held().objects - before.objects).toBeLessThan(100);
    expect(world.requests).toEqual([]);
  });
});
