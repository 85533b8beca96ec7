import { randomBytes } from 'node:crypto';
import { Running } from '../../../gateways/native/running.ts';
import type { Json, Log, MediaPacket } from '../../../src/contract.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { openUdp } from '../../../src/io/udp.ts';
import { Mesh } from '../../../src/node/mesh.ts';
import { openBus } from '../../../src/node/open-bus.ts';
import { Relays } from '../../../src/node/relays.ts';
import { sharedSecrets } from '../../../src/node/secrets.ts';
import { SECRET_BYTES } from '../../../src/proto/artp/keys.ts';
import { connectionId, newTag } from '../../../src/proto/artp/relay/connection-id.ts';
import { RelayRoutes, type RouterOffer } from '../../../src/proto/artp/relay/relay-routes.ts';
import { Session } from '../../../src/proto/artp/session/session.ts';
import { SESSION_TIMES } from '../../../src/proto/artp/session/types.ts';
import { CONNECTION_BYTES } from '../../../src/proto/artp/trailer.ts';

/**
 * One end of an aRTP session that goes by routers: `client` or `server`, own address, region, NATS. What HELLO and
 * HELLO_ACK would carry passes by standard input and output, a JSON object a line. Each end sends a packet of sound every
 * 20 ms; asked `{ "gap": true }` it tells the longest time without a new one since it was asked before.
 */
const [side, address, region, url] = process.argv.slice(2) as ['client' | 'server', string, string, string];
const PACKET_MS = 20;
const SERVER_PORT = 7110;
const ROUTERS = 3;
const clock = systemClock;

interface Hello {
  readonly connection: string;
}
interface HelloAck extends Hello {
  readonly secret: string;
  readonly routers: readonly RouterOffer[];
}

const say = (message: object): void => console.log(JSON.stringify(message));
const hex = (text: string): Buffer => Buffer.from(text, 'hex');

let running: Running | undefined;
let routes: RelayRoutes | undefined;
const udp = await openUdp({
  family: 4,
  address,
  port: side === 'server' ? SERVER_PORT : 0,
  clock,
  on(bytes, from, port, now) {
    if (routes?.receive(bytes, from, port, now)) return;
    running?.session.receive(bytes, { kind: 'udp', address: from, port }, now);
    running?.turn();
  },
});

let heardAt = 0;
let longestMs = 0;
let packets = 0;
let askedAt = 0;
function hear(_: MediaPacket, now: number): void {
  longestMs = Math.max(longestMs, now - heardAt);
  heardAt = now;
  packets++;
}

function begin(ours: Buffer, theirs: Buffer, secret: Buffer): Session {
  const session = new Session({
    side,
    secret,
    suite: 'aes-128-gcm',
    ours,
    theirs,
    random: randomBytes,
    times: SESSION_TIMES,
    budgetMs: 100,
    now: clock.now(),
    transmit: (bytes, length, route) =>
      udp.send(Buffer.from(bytes.subarray(0, length)), length, route.port, route.address),
    count: () => {},
  });
  running = new Running(session, clock, e => e.type === 'ended' && say({ ended: e.why }));
  session.hear(1, hear);
  const track = session.send(1, 'audio', 48_000, () => {});
  const payload = new Uint8Array(60);
  const started = clock.now();
  let seq = 0;
  setInterval(() => {
    for (; started + seq * PACKET_MS <= clock.now(); seq++)
      track.sink({ seq, pts: seq * 960, marker: false, payload, level: 30 }, clock.now());
    running?.turn();
  }, PACKET_MS);
  return session;
}

/** The client goes by the router of its own host and by no other way. */
function goBy(offers: readonly RouterOffer[], ours: Buffer, theirs: Buffer, session: Session): void {
  routes = new RelayRoutes(
    {
      routers: offers.filter(r => r.host === address),
      ours,
      theirs,
      random: randomBytes,
      send: (bytes, to, port) => udp.send(bytes, bytes.length, port, to),
      on: (r, isOpen, now) => {
        const route = { kind: 'udp', address: r.host, port: r.port, via: r.id } as const;
        if (isOpen) session.addRoute(route, now);
        else session.dropRoute(route, now);
        running?.turn();
      },
      count: reason => say({ dropped: reason }),
    },
    clock.now(),
  );
  setInterval(() => routes?.tick(clock.now()), 50);
}

/** What a process of the system does to be found by routers, and to find them. */
async function serve(): Promise<(hello: Hello) => HelloAck> {
  const log: Log = { debug() {}, info() {}, warn() {}, error: (o: object) => say(o) };
  const bus = await openBus({ url }, 'end', {
    clock,
    onBug: error => say({ bug: String(error) }),
    count: () => {},
  });
  const tag = newTag(randomBytes);
  const relays: Relays = new Relays({
    config: { region, roles: [], bus: { url }, router: { port: 0 } },
    process: 'end',
    secret: sharedSecrets(bus),
    processes: () => mesh.table.processes(),
    clock,
    log,
    count: () => {},
    changed: () => {},
  });
  relays.serve(tag, address, udp.port);
  const mesh: Mesh = new Mesh({
    process: 'end',
    version: '0',
    region,
    fingerprint: '',
    bus,
    clock,
    log,
    agents: () => [],
    roomNode: () => undefined,
    relay: () => relays.advert(),
  });
  mesh.start();
  return hello => {
    const ours = connectionId(tag, randomBytes);
    const routers = relays.offers(hex(hello.connection), ours);
    const secret = randomBytes(SECRET_BYTES);
    if (routers.length === ROUTERS) begin(ours, hex(hello.connection), secret);
    return { connection: ours.toString('hex'), secret: secret.toString('hex'), routers };
  };
}

const answer = side === 'server' ? await serve() : undefined;
const ours = randomBytes(CONNECTION_BYTES);
say({ ready: true, ...(side === 'client' && { hello: { connection: ours.toString('hex') } }) });

process.stdin.on('data', said => {
  for (const text of String(said).split('\n').filter(Boolean)) {
    const m = JSON.parse(text) as { hello?: Hello; ack?: HelloAck; gap?: boolean } & Json;
    if (m.hello !== undefined && answer !== undefined) say({ ack: answer(m.hello) });
    if (m.ack !== undefined) {
      const theirs = hex(m.ack.connection);
      goBy(m.ack.routers, ours, theirs, begin(ours, theirs, hex(m.ack.secret)));
    }
    if (m.gap === true) {
      const gapMs = Math.round(Math.max(longestMs, clock.now() - heardAt));
      say({ gapMs, packets, sinceMs: Math.round(clock.now() - askedAt) });
      askedAt = clock.now();
      longestMs = 0;
      packets = 0;
    }
  }
});
process.stdin.on('end', () => process.exit(0));
