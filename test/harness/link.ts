import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { Drops } from '../../src/kit/limits.ts';
import { LinkClient } from '../../src/link/client.ts';
import { LinkServer, type LinkServerOptions } from '../../src/link/server.ts';
import { selfSignedCertificate } from '../../src/proto/x509/self-signed.ts';
import { FakeRoom } from './fake-room.ts';
import { silentLog } from './fakes.ts';

export interface Identity {
  readonly certPem: string;
  readonly keyPem: string;
  readonly fingerprint: string;
}

/** A key and the self-signed certificate of a process. */
export function identity(commonName: string): Identity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const made = selfSignedCertificate({
    commonName,
    dnsNames: ['localhost'],
    ipAddresses: ['127.0.0.1'],
    from: new Date(Date.now() - 60_000),
    days: 1,
    serial: randomBytes(16),
    privateKey,
    publicKey,
  });
  return {
    certPem: made.certPem,
    keyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    fingerprint: made.fingerprintSha256,
  };
}

/** A room node of fake rooms, and the ways to it, over real sockets. */
export class LinkWorld {
  readonly node = identity('room-node');
  readonly agent = identity('agent');
  readonly rooms = new Map<string, FakeRoom>();
  readonly drops = new Drops();
  readonly clientDrops = new Drops();
  readonly bugs: unknown[] = [];
  readonly server: LinkServer;
  readonly clock: Clock;
  tlsPort = 0;
  udpPort = 0;
  #clients: LinkClient[] = [];

  constructor(clock: Clock = systemClock, overrides: Partial<LinkServerOptions> = {}) {
    this.clock = clock;
    this.server = new LinkServer({
      process: 'node-1',
      address: '127.0.0.1',
      udpPort: 0,
      tlsPort: 0,
      certPem: this.node.certPem,
      keyPem: this.node.keyPem,
      trusted: f => f === this.agent.fingerprint,
      tag: 0x0a0b0c,
      routers: () => [],
      rooms: room => this.room(room),
      clock,
      random: randomBytes,
      log: silentLog,
      count: reason => this.drops.count(reason),
      onBug: error => void this.bugs.push(error),
      ...overrides,
    });
  }

  room(name: string): FakeRoom {
    const there = this.rooms.get(name) ?? new FakeRoom(name);
    this.rooms.set(name, there);
    return there;
  }

  async listen(): Promise<this> {
    ({ tlsPort: this.tlsPort, udpPort: this.udpPort } = await this.server.listen());
    return this;
  }

  client(o: { port?: number; as?: Identity; fingerprint?: string; clock?: Clock } = {}): LinkClient {
    const made = new LinkClient({
      process: 'agent-1',
      host: '127.0.0.1',
      tlsPort: o.port ?? this.tlsPort,
      fingerprint: o.fingerprint ?? this.node.fingerprint,
      certPem: (o.as ?? this.agent).certPem,
      keyPem: (o.as ?? this.agent).keyPem,
      clock: o.clock ?? this.clock,
      random: randomBytes,
      count: reason => this.clientDrops.count(reason),
      onBug: error => void this.bugs.push(error),
    });
    this.#clients.push(made);
    return made;
  }

  async close(): Promise<void> {
    for (const c of this.#clients) await c.close();
    await this.server.close();
  }
}

/** Turns of the event loop until `done`; the test's own timeout is the limit. */
export async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise(next => setImmediate(next));
}

/** Time that stands still unless told to go on; sockets are real. */
export class ManualClock implements Clock {
  #now = 1000;
  readonly #timers = new Set<{ when: number; run: () => void }>();
  now(): number {
    return this.#now;
  }
  at(when: number, run: () => void): () => void {
    const timer = { when, run };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
  get armed(): number {
    return this.#timers.size;
  }
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = [...this.#timers].filter(t => t.when <= end).sort((a, b) => a.when - b.when)[0];
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.when);
      next.run();
    }
    this.#now = end;
  }
}

/**
 * A TCP hop that can be cut, or frozen: it takes bytes and passes none on, as a dead host behind a live switch. Or held,
 * as a network that is away for a while: what was sent meanwhile comes late, because TCP sends it again.
 */
export class TcpHop {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #frozen = false;
  #held = false;
  port = 0;
  constructor(to: number) {
    this.#server = createServer(near => {
      const far = connectTcp(to, '127.0.0.1');
      for (const [from, into] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.on('data', d => void (this.#frozen || into.write(d)));
        from.on('error', () => {});
        from.on('close', () => into.destroy());
        if (this.#held) from.pause();
      }
    });
  }
  async listen(): Promise<this> {
    await new Promise<void>(done => this.#server.listen(0, '127.0.0.1', done));
    this.port = (this.#server.address() as { port: number }).port;
    return this;
  }
  freeze(): void {
    this.#frozen = true;
  }
  hold(): void {
    this.#held = true;
    for (const s of this.#sockets) s.pause();
  }
  release(): void {
    this.#held = false;
    for (const s of this.#sockets) s.resume();
  }
  cut(): void {
    for (const s of this.#sockets) s.destroy();
    this.#sockets.clear();
  }
  close(): Promise<void> {
    this.cut();
    return new Promise(done => this.#server.close(() => done()));
  }
}
