import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import type { Host } from '../../src/contract.ts';
import { type Drive, drive } from '../../src/io/drive.ts';
import type { KeyPair } from '../../src/io/tls-keys.ts';
import type { Route } from '../../src/proto/artp/session/types.ts';
import { CookieDoor } from '../../src/proto/dtls/cookie.ts';
import type { DtlsInput, DtlsOutput } from '../../src/proto/dtls/end.ts';
import type { Identity } from '../../src/proto/dtls/proof.ts';
import { DtlsServer } from '../../src/proto/dtls/server.ts';
import { bootstrapSession, HELLO_PROFILES, HELLO_TIMING } from './bootstrap.ts';
import type { Greeter } from './greeting.ts';
import { Running } from './running.ts';

/** From the first good cookie to the end, whatever comes of it. */
const HELLO_MS = 20_000;
const MAX_AT_ONCE = 256;
/** Whoever has one address does not keep the others out. */
const MAX_OF_ONE_ADDRESS = 64;

interface Visit {
  readonly dtls: Drive<DtlsInput>;
  readonly gone: AbortController;
  running: Running | undefined;
  greeted: boolean;
  readonly undo: () => void;
}

export interface DtlsHellosNeeds {
  readonly host: Host;
  readonly greeter: Greeter;
  readonly identity: Identity;
  readonly transmit: (bytes: Uint8Array, length: number, route: Route) => void;
}

/** Those who say HELLO over DTLS, on the port of all media. By address: they have no connection id yet. */
export class DtlsHellos {
  readonly #needs: DtlsHellosNeeds;
  readonly #door = new CookieDoor(randomBytes(32));
  readonly #visits = new Map<string, Visit>();

  constructor(needs: DtlsHellosNeeds) {
    this.#needs = needs;
  }

  /** A datagram that begins as DTLS does. */
  datagram(bytes: Buffer, route: Route, now: number): void {
    const { host, greeter, transmit } = this.#needs;
    const key = keyOf(route);
    const known = this.#visits.get(key);
    if (known !== undefined) return known.dtls.feed({ type: 'datagram', bytes });
    const knock = this.#door.look(bytes, key, now);
    if (knock.type === 'junk') return host.count('dropped', 'dtls-hello');
    if (knock.type === 'ask') return transmit(knock.bytes, knock.bytes.length, route);
    if (this.#visits.size >= MAX_AT_ONCE || this.#visitsFrom(route.address) >= MAX_OF_ONE_ADDRESS)
      return host.count('refused', 'too-many-hellos');
    if (!greeter.allows(route.address)) return;
    this.#open(key, route).dtls.feed({ type: 'datagram', bytes });
  }

  /** A sealed packet that is nobody's: true when it is of a HELLO under way. */
  packet(bytes: Buffer, route: Route, now: number): boolean {
    const running = this.#visits.get(keyOf(route))?.running;
    if (running === undefined) return false;
    running.session.receive(bytes, route, now);
    running.turn();
    return true;
  }

  close(): void {
    for (const key of this.#visits.keys()) this.#forget(key);
  }

  #visitsFrom(address: string): number {
    let visits = 0;
    for (const key of this.#visits.keys()) if (key.startsWith(`${address} `)) visits++;
    return visits;
  }

  #open(key: string, route: Route): Visit {
    const { host, identity } = this.#needs;
    const server = new DtlsServer({
      identity,
      fingerprints: 'anyone', // who it is says the token in HELLO
      profiles: HELLO_PROFILES,
      random: randomBytes,
      timing: HELLO_TIMING,
      afterCookie: true,
      junk: reason => host.count('dropped', reason),
    });
    const visit: Visit = {
      dtls: drive<DtlsInput, DtlsOutput>(server, host.clock, out => this.#act(out, key, visit, route)),
      gone: new AbortController(),
      running: undefined,
      greeted: false,
      undo: host.clock.at(host.clock.now() + HELLO_MS, () => this.#forget(key)),
    };
    this.#visits.set(key, visit);
    return visit;
  }

  #act(out: DtlsOutput, key: string, visit: Visit, route: Route): void {
    const { host, transmit } = this.#needs;
    if (out.type === 'send') return transmit(out.bytes, out.bytes.length, route);
    if (out.type === 'closed') return this.#forget(key);
    const now = host.clock.now();
    const session = bootstrapSession({ side: 'server', keys: out, now, transmit });
    visit.running = new Running(session, host.clock, e => {
      if (e.type === 'message') this.#hello(e.message, visit, route);
    });
  }

  /** The answer is repeated by the session until it is heard, or the visit is forgotten. */
  #hello(message: unknown, visit: Visit, route: Route): void {
    if (visit.greeted) return;
    visit.greeted = true;
    void this.#needs.greeter.greet(message, {
      address: route.address,
      transport: 'dtls',
      gone: visit.gone.signal,
      answer: m => visit.running?.say(m),
    });
  }

  #forget(key: string): void {
    const visit = this.#visits.get(key);
    if (visit === undefined) return;
    this.#visits.delete(key);
    visit.undo();
    visit.gone.abort();
    visit.dtls.stop();
    visit.running?.stop();
  }
}

const keyOf = ({ address, port }: Route): string => `${address} ${port}`;

/** The certificate of TLS, for DTLS; undefined when it is not of ECDSA, which ours needs. */
export function identityOf({ cert, key }: KeyPair): Identity | undefined {
  const privateKey = createPrivateKey(key);
  const isP256 =
    privateKey.asymmetricKeyType === 'ec' && privateKey.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  return isP256 ? { certificate: new X509Certificate(cert).raw, privateKey } : undefined;
}
