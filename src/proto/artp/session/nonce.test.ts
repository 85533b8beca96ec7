import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { MediaPacket } from '../../../contract.ts';
import { isRtcp } from '../../rtp/rtp.ts';
import type { PacketCipher } from '../../rtp/srtp/packet-cipher.ts';
import { directionCipher, type Suite } from '../keys.ts';
import { isConnection, TRAILER_BYTES, TrailerView } from '../trailer.ts';
import {
  CLIENT,
  connectionOf,
  type End,
  Pair,
  randomBytes,
  SERVER,
  SERVER_PORT,
  udp,
} from './pair.testing.ts';
import { answerResume, callResume, readResume, readResumeAck } from './resume.ts';
import { openTicket, sealTicket } from './ticket.ts';

/** Of a key stream, bytes: the shortest packet (an empty compound with its padding) has 8, and 2^-64 is no chance. */
const STREAM_BYTES = 8;

/** Every nonce that was ever sealed under, by key, and what was sealed. */
class Nonces {
  readonly #seen = new Map<string, string>();
  /**
   * GCM is a counter mode: plain and sealed bytes tell the key stream, and that tells key, salt and nonce together, as
   * they were and not as we think they are. Two directions, epochs or sessions with one key would show here alone.
   */
  readonly #streams = new Map<string, string>();
  readonly broken: string[] = [];
  readonly kinds = new Map<string, number>();
  repeats = 0;

  readonly cipher: typeof directionCipher = (secret, direction, epoch, suite, kind) => {
    const inner = directionCipher(secret, direction, epoch, suite, kind);
    const key = `${Buffer.from(secret).toString('hex')} ${direction} ${epoch} ${kind}`;
    return {
      tagBytes: inner.tagBytes,
      trailerBytes: inner.trailerBytes,
      wordFromEnd: inner.wordFromEnd,
      open: (...a) => inner.open(...a),
      openRtcp: (...a) => inner.openRtcp(...a),
      seal: (out, headerBytes, payload, ssrc, roc, seq) => {
        this.#note(key, ssrc, roc, seq, out.subarray(0, headerBytes), payload);
        this.#kind(['media', 'rtx', 'repair', 'control'][(ssrc >>> 22) & 3]!);
        if (((out[1] as number) & 127) === 98) this.#kind('red');
        const plain = Buffer.from(payload);
        const header = Buffer.from(out.subarray(0, headerBytes));
        const length = inner.seal(out, headerBytes, payload, ssrc, roc, seq);
        this.#noteStream(plain, out.subarray(headerBytes, length), digest(header, plain));
        return length;
      },
      sealRtcp: (packet, ssrc, word) => {
        this.#note(key, ssrc, (word >>> 16) & 0x7fff, word & 0xffff, packet.subarray(0, 8), packet);
        this.#kind('rtcp');
        const sealed = inner.sealRtcp(packet, ssrc, word);
        this.#noteStream(packet.subarray(8), sealed.subarray(8), digest(packet.subarray(0, 8), packet));
        return sealed;
      },
    } satisfies PacketCipher;
  };

  get size(): number {
    return this.#seen.size;
  }
  /** As many as nonces, when each was seen. */
  get streams(): number {
    return this.#streams.size;
  }

  #kind(kind: string): void {
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + 1);
  }

  #note(key: string, ssrc: number, high: number, low: number, header: Uint8Array, payload: Uint8Array): void {
    const nonce = `${key} ${ssrc.toString(16)} ${high} ${low}`;
    const what = digest(header, payload);
    const before = this.#seen.get(nonce);
    this.#seen.set(nonce, what);
    if (before === undefined) return;
    this.repeats++;
    if (before !== what) this.broken.push(nonce);
  }

  #noteStream(plain: Uint8Array, sealed: Uint8Array, what: string): void {
    expect(plain.length).toBeGreaterThanOrEqual(STREAM_BYTES);
    const bytes = Buffer.alloc(STREAM_BYTES);
    for (let i = 0; i < STREAM_BYTES; i++) bytes[i] = plain[i]! ^ sealed[i]!;
    const stream = bytes.toString('latin1');
    if ((this.#streams.get(stream) ?? what) !== what) this.broken.push(`key stream ${bytes.toString('hex')}`);
    this.#streams.set(stream, what);
  }
}

const digest = (header: Uint8Array, payload: Uint8Array): string =>
  createHash('sha256').update(header).update(' ').update(payload).digest('base64');

/** Sound and pictures from one end to the other. */
function publish(p: Pair, from: End, to: End, track: number): () => void {
  const sound = from.do(s => s.send(track, 'audio', 48_000, () => {}));
  const pictures = from.do(s => s.send(track + 1, 'video', 90_000, () => {}));
  for (const t of [track, track + 1]) to.do(s => s.hear(t, () => {}));
  let n = 0;
  const stop = p.net.clock.every(20, now => {
    const base = { seq: n, marker: false, payload: Buffer.alloc(60, n) } satisfies Partial<MediaPacket>;
    from.do(() => sound.sink({ ...base, pts: n * 960, level: 20 }, now));
    for (const i of [0, 1, 2]) {
      const frame = { start: i === 0, end: i === 2, key: n % 100 === 0, config: false, temporal: n % 2 };
      const payload = Buffer.alloc(300, n + i);
      const seq = 3 * n + i;
      from.do(() => pictures.sink({ seq, pts: n * 1800, marker: i === 2, payload, frame }, now));
    }
    if (n % 170 === 0) sound.renew();
    n++;
  });
  return stop;
}

const ROUTER = '198.51.100.9';

/** A router between the two, and all it passed on: trailers are rewritten, the rest is as it came. */
function route(p: Pair): Buffer[] {
  const passed: Buffer[] = [];
  const view = new TrailerView();
  let client = { address: '', port: 0 };
  const router = p.net.open(ROUTER, 7200, (bytes, address, port) => {
    view.read(bytes);
    expect(view.hasConnection).toBe(true);
    bytes[view.start + TRAILER_BYTES - 7]! += 64; // it counts itself
    passed.push(Buffer.from(bytes));
    if (address === SERVER) return router.send(bytes, bytes.length, client.port, client.address);
    client = { address, port };
    router.send(bytes, bytes.length, SERVER_PORT, SERVER);
  });
  for (const end of [CLIENT, '192.0.2.77', SERVER]) p.net.impair(end, ROUTER, { loss: 0.1, delayMs: 10 });
  p.client.do((s, now) => s.addRoute({ kind: 'udp', address: ROUTER, port: 7200, via: 'r1' }, now));
  return passed;
}

it.each<Suite>(['aes-128-gcm', 'sm4-gcm'])('no nonce is used twice with different bytes: %s', suite => {
  const nonces = new Nonces();
  const wire = new Map<string, string>();
  /** Sealed packets of media that left more than once by one way, and by two. */
  const again = { copies: 0, ways: 0 };
  const run = (p: Pair, seconds: number, secret: Buffer): void => {
    p.connect();
    p.net.impair('192.0.2.1', '203.0.113.2', { loss: 0.3, delayMs: 30 });
    p.client.do((s, now) => s.addRoute(udp('203.0.113.2'), now));
    const passed = route(p);
    p.run(1000);
    const stops = [publish(p, p.client, p.server, 1), publish(p, p.server, p.client, 1)];
    for (let second = 0; second < seconds; second++) {
      p.run(1000);
      for (const end of [p.client, p.server])
        end.do((s, now) => s.say({ second, text: 'z'.repeat(1500) }, now));
      if (second % 3 === 2) for (const end of [p.client, p.server]) end.do((s, now) => s.rekey(now));
      if (second === 5) {
        p.net.impair('192.0.2.77', SERVER, { loss: 0.3, delayMs: 30, duplicate: 0.1, reorder: 0.1 });
        p.rebind('192.0.2.77');
      }
    }
    for (const stop of stops) stop();
    const view = new TrailerView();
    for (const end of [p.client, p.server]) {
      expect(end.session.stats().sendEpoch).toBeGreaterThan(1);
      const left = new Map<string, string>();
      for (const { bytes, route } of end.sent) {
        if (isRtcp(bytes)) continue;
        view.read(bytes);
        const sealed = digest(bytes.subarray(0, view.start), Buffer.alloc(0));
        const before = left.get(sealed);
        if (before === route.address) again.copies++;
        else if (before !== undefined) again.ways++;
        left.set(sealed, route.address);
      }
    }
    const see = (bytes: Buffer, by: string): void => {
      view.read(bytes);
      const sealed = bytes.subarray(0, view.start);
      const rtcp = isRtcp(sealed);
      const ssrc = sealed.readUInt32BE(rtcp ? 4 : 8);
      const index = rtcp ? sealed.readUInt32BE(sealed.length - 4) : sealed.readUInt16BE(2);
      const name = `${secret.toString('hex')} ${by} ${rtcp} ${ssrc} ${index}`;
      const content = createHash('sha256').update(sealed).digest('base64');
      if (wire.has(name)) expect(wire.get(name)).toBe(content);
      wire.set(name, content);
    };
    for (const { bytes } of p.client.sent) see(bytes, 'client');
    for (const { bytes } of p.server.sent) see(bytes, 'server');
    const seen = wire.size;
    // What a router sends on is what one of them had sealed.
    for (const bytes of passed) {
      view.read(bytes);
      see(bytes, isConnection(bytes, view.start, connectionOf('server')) ? 'client' : 'server');
    }
    expect(passed.filter(b => !isRtcp(b)).length).toBeGreaterThan(50);
    expect(wire.size).toBe(seen);
  };
  const there = { loss: 0.3, delayMs: 30, duplicate: 0.1, reorder: 0.1 };
  const secret = Buffer.alloc(32, 7);
  const seconds = suite === 'sm4-gcm' ? 6 : 8;
  run(new Pair(40, { suite, there, stream: true, cipher: nonces.cipher }), seconds, secret);
  const first = nonces.size;

  // Another agent, the same member: keys of its own, although everything counts from the beginning again.
  const key = Buffer.alloc(32, 1);
  const random = randomBytes('resume');
  const ticket = sealTicket({ secret, suite, expiresUnixMs: 1000, data: null }, key, random);
  const call = callResume({ ticket, secret, connection: connectionOf('client') }, random);
  const asked = readResume(call.datagram.subarray(0, -7), sealed => openTicket(sealed, key, 0))!;
  const answer = answerResume(asked, { connection: connectionOf('server'), ticket }, random);
  const resumed = readResumeAck(answer.datagram.subarray(0, -7), call)!;
  expect(resumed.secret).toEqual(answer.secret);
  run(
    new Pair(41, { suite, there, stream: true, cipher: nonces.cipher, secret: resumed.secret }),
    seconds,
    resumed.secret,
  );

  expect(nonces.broken).toEqual([]);
  expect(nonces.streams).toBe(nonces.size);
  expect(again.copies).toBeGreaterThan(10);
  expect(again.ways).toBeGreaterThan(10);
  expect(nonces.size).toBeGreaterThan(first * 1.5);
  for (const kind of ['media', 'red', 'rtx', 'repair', 'rtcp'])
    expect([kind, nonces.kinds.get(kind)! > 10]).toEqual([kind, true]);
});
