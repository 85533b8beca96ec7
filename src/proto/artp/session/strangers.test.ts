import { describe, expect, it } from 'vitest';
import { weigh } from '../../../../test/harness/weigh.ts';
import { TrailerView, writeTrailer } from '../trailer.ts';
import {
  connectionOf,
  type End,
  Pair,
  randomBytes,
  SERVER,
  SERVER_PORT,
  STREAM,
  udp,
} from './pair.testing.ts';

const STRANGER = udp('198.51.100.66', 6666);
const random = randomBytes('strangers');

/** A session in use, with everything the client sent kept. */
function talking(seed: number, ms = 3000) {
  const p = new Pair(seed).connect();
  p.run(200);
  const track = p.client.do(s => s.send(1, 'audio', 48_000, () => {}));
  const heard: number[] = [];
  p.server.do(s => s.hear(1, m => void heard.push(m.seq)));
  let seq = 0;
  p.net.clock.every(20, now => {
    const payload = Buffer.alloc(60, seq);
    p.client.do(() => track.sink({ seq, pts: seq * 960, marker: false, payload, level: 9 }, now));
    seq++;
  });
  p.run(ms);
  return { p, heard };
}
const from = (end: End, bytes: Uint8Array, route = STRANGER): void =>
  end.do((s, now) => s.receive(bytes, route, now));
const sentTo = (end: End, address: string) => end.sent.filter(d => d.route.address === address);
const isControl = (bytes: Buffer): boolean => bytes[1]! >= 192 && bytes[1]! <= 223;

describe('a stranger', () => {
  it('who copies and sends again gets nothing, changes nothing, from wherever', () => {
    const { p, heard } = talking(30);
    const before = { heard: heard.length, paths: p.server.session.paths() };
    const copies = p.client.sent.filter(d => d.at < p.net.clock.now() - 100);
    for (const { bytes } of copies) {
      from(p.server, bytes);
      from(p.server, bytes, udp('192.0.2.1', 40_000));
    }
    expect(heard.length).toBe(before.heard);
    expect(sentTo(p.server, STRANGER.address)).toEqual([]);
    expect(p.server.session.paths().map(x => x.route)).toEqual(before.paths.map(x => x.route));
    p.run(3000);
    expect(p.server.states).toEqual(['active']);
    expect(new Set(heard).size).toBe(heard.length);
  });

  it('who is faster than the network is asked, at most three times what came from there, and believed nothing', () => {
    const { p, heard } = talking(31);
    // Every datagram of the client is stolen, and comes from elsewhere first.
    p.client.out.set('udp', (b, n) => from(p.server, Buffer.from(b.subarray(0, n))));
    const active = p.server.activeRoute;
    let came = 0;
    const before = p.client.sent.length;
    const count = heard.length;
    for (let i = 0; i < 30; i++) {
      p.client.do((s, now) => s.rekey(now)); // makes the client talk
      p.run(50);
    }
    for (const d of p.client.sent.slice(before)) came += d.bytes.length;
    const went = sentTo(p.server, STRANGER.address).reduce((n, d) => n + d.bytes.length, 0);
    expect(went).toBeGreaterThan(0);
    expect(went).toBeLessThanOrEqual(3 * came);
    expect(p.server.activeRoute).toEqual(active);
    const media = sentTo(p.server, STRANGER.address).filter(d => !isControl(d.bytes));
    expect(media).toEqual([]);
    expect(heard.length).toBeGreaterThan(count); // what is authentic is heard, whoever carried it
    p.run(5000);
    expect(p.server.session.paths().every(x => x.state !== 'ready' || x.route.address === '192.0.2.1')).toBe(
      true,
    );
  });

  it('who touches one bit anywhere, or cuts, gets it counted and dropped', () => {
    const { p, heard } = talking(32, 1000);
    p.client.out.set('udp', () => {});
    const messages = p.server.messages.length;
    const start = p.client.sent.length;
    p.client.do((s, now) => s.say({ text: 'a message that nobody may change' }, now));
    p.run(100);
    const fresh = p.client.sent.slice(start).map(d => d.bytes);
    const sealed = [fresh.find(isControl)!, fresh.find(b => !isControl(b))!];
    const heardBefore = heard.length;
    const stats = p.server.session.stats();
    for (const bytes of sealed) {
      const view = new TrailerView();
      view.read(bytes);
      for (let bit = 0; bit < view.start * 8; bit++) {
        const touched = Buffer.from(bytes);
        touched[bit >> 3]! ^= 1 << (bit & 7);
        from(p.server, touched, udp('192.0.2.1', p.socket.port));
      }
      for (let cut = 0; cut < bytes.length; cut++) from(p.server, bytes.subarray(0, cut));
    }
    expect(heard.length).toBe(heardBefore);
    expect(p.server.messages.length).toBe(messages);
    expect(p.server.session.stats().heardPackets).toBe(stats.heardPackets);
    for (const bytes of sealed) from(p.server, bytes, udp('192.0.2.1', p.socket.port));
    expect(heard.length).toBe(heardBefore + 1);
    p.run(10);
    expect(p.server.messages.length).toBe(messages + 1);
  });

  it('who spoofs the address and guesses numbers writes nothing into what is told of losses', () => {
    const { p } = talking(38, 2000);
    const view = new TrailerView();
    const client = udp('192.0.2.1', p.socket.port);
    const known = p.server.drops.get('forged') ?? 0;
    let guesses = 0;
    const stop = p.net.clock.every(100, () => {
      for (const control of [true, false]) {
        const real = p.client.sent.findLast(
          d => isControl(d.bytes) === control && d.at < p.net.clock.now() - 50,
        );
        view.read(real!.bytes);
        // All but the tag is guessed rightly.
        const guess = Buffer.alloc(view.start + 15);
        real!.bytes.copy(guess, 0, 0, view.start);
        const tagEnd = view.start - (control ? 4 : 0);
        guess.fill(++guesses, tagEnd - 16, tagEnd);
        const ahead = (view.sequence + 20_000) & 0xffff;
        from(p.server, guess.subarray(0, writeTrailer(guess, view.start, undefined, 0, ahead, 7)), client);
      }
    });
    p.run(3000);
    p.impair({ loss: 0.3, delayMs: 20 });
    p.run(2000);
    stop();
    expect(guesses).toBeGreaterThan(90);
    expect((p.server.drops.get('forged') ?? 0) - known).toBe(guesses);
    expect(p.client.session.paths()[0]!.loss).toBeGreaterThan(0.2);
  });

  it('with a foreign connection id, or none from an unknown address, is not even looked at', () => {
    const { p } = talking(33, 1000);
    const { bytes } = p.client.sent.at(-1)!;
    const view = new TrailerView();
    view.read(bytes);
    const other = Buffer.alloc(3000);
    bytes.copy(other, 0, 0, view.start);
    from(p.server, other.subarray(0, writeTrailer(other, view.start, random(8), 0, 1, 0)));
    from(p.server, other.subarray(0, writeTrailer(other, view.start, undefined, 0, 1, 0)));
    expect(p.server.drops.get('foreign-connection')).toBe(1);
    expect(p.server.drops.get('unknown-route')).toBe(1);
    from(p.client, other.subarray(0, writeTrailer(other, view.start, connectionOf('client'), 0, 1, 0)));
    expect(p.client.drops.get('unknown-route')).toBe(1);
  });

  it('who floods makes nothing grow and gets no answer', () => {
    const { p } = talking(34, 1000);
    const sent = p.server.sent.length;
    const before = weigh(p.server.session);
    const out = Buffer.alloc(2100);
    for (let i = 0; i < 5000; i++) {
      const length = 12 + (i % 1500);
      random(Math.min(64, length)).copy(out);
      out[0] = 0x80 | (i & 15);
      out[1] = i % 3 === 0 ? 204 : i % 3 === 1 ? 96 : 98;
      const whole = writeTrailer(out, length, connectionOf('server'), i & 63, i, i);
      from(p.server, out.subarray(0, whole), udp(`198.51.100.${i % 250}`, 1024 + (i % 60_000)));
    }
    expect(p.server.sent.length).toBe(sent);
    expect(p.server.session.paths()).toHaveLength(1);
    const after = weigh(p.server.session);
    expect(after.objects).toBeLessThanOrEqual(before.objects + 4); // the keys of the next epoch: somebody may have them
    expect(after.bytes).toBeLessThanOrEqual(before.bytes + out.length);
    expect(p.server.states).toEqual(['active']);
    p.run(3000);
    expect(p.server.states).toEqual(['active']);
  });

  it('on the way, who shows every packet from another address first: each gets a question, few are remembered', () => {
    const { p, heard } = talking(39, 1000);
    const before = weigh(p.server.session);
    const came = new Map<string, number>();
    const { sent } = p.server;
    const first = sent.length;
    let n = 0;
    const send = p.client.out.get('udp')!;
    p.client.out.set('udp', (b, length, r) => {
      const route = udp(`198.51.${100 + (n >> 8)}.${n & 255}`, 1024 + n++);
      came.set(route.address, (came.get(route.address) ?? 0) + length);
      from(p.server, Buffer.from(b.subarray(0, length)), route);
      expect(p.server.session.paths().length).toBeLessThanOrEqual(8);
      send(b, length, r);
    });
    const count = heard.length;
    for (let i = 0; i < 300; i++) {
      p.client.do((s, now) => s.say({ i, text: 'x'.repeat(i) }, now)); // makes the client talk
      p.run(20);
    }
    expect(n).toBeGreaterThan(500);
    const went = new Map<string, number>();
    for (const { bytes, route } of sent.slice(first)) {
      if (!came.has(route.address)) continue;
      expect(isControl(bytes)).toBe(true);
      went.set(route.address, (went.get(route.address) ?? 0) + bytes.length);
    }
    expect(went.size).toBeGreaterThan(100);
    for (const [address, bytes] of went) expect(bytes).toBeLessThanOrEqual(3 * came.get(address)!);
    expect(heard.length - count).toBeGreaterThan(250);
    p.client.out.set('udp', send);
    p.run(5000);
    expect(p.server.session.paths().filter(x => x.state === 'ready')).toHaveLength(1);
    expect(weigh(p.server.session).objects).toBeLessThan(2 * before.objects);
    expect(p.server.states).toEqual(['active']);
  });

  it('beside a member who changes its address all the time: few are remembered, the newest wins', () => {
    const { p, heard } = talking(35, 500);
    for (let i = 0; i < 40; i++) {
      const address = `192.0.3.${i}`;
      p.net.impair(address, SERVER, { delayMs: 20 });
      p.rebind(address);
      p.run(600);
      expect(p.server.session.paths().length).toBeLessThanOrEqual(8);
    }
    p.run(1000);
    expect(p.server.activeRoute).toMatchObject({ address: '192.0.3.39' });
    expect(p.server.states).toEqual(['active']);
    expect(heard.length).toBeGreaterThan(500);
  });

  it('on the way, who rewrites trailers, makes no more records than there is room for', () => {
    const { p } = talking(36, 500);
    const view = new TrailerView();
    p.client.out.set('udp', (b, n) => {
      const copy = Buffer.alloc(n + 20);
      copy.set(b.subarray(0, n));
      view.read(copy.subarray(0, n));
      const number = Math.floor(p.net.clock.now()) % 64;
      const length = writeTrailer(copy, view.start, connectionOf('server'), number, number * 999, 7);
      p.socket.send(copy, length, SERVER_PORT, SERVER);
    });
    p.run(3000);
    expect(p.server.drops.get('too-many-paths')).toBeGreaterThan(0);
    expect(p.server.states).toEqual(['active']);
  });
});

describe('what a session hears of a route it has closed', () => {
  it('is no way any more, and the rest goes on', () => {
    const p = new Pair(37, { stream: true }).connect();
    p.run(3000);
    p.client.do((s, now) => s.dropRoute(udp(), now));
    p.run(1000);
    expect(p.client.activeRoute).toEqual(STREAM);
    p.client.do((s, now) => s.say('over the stream', now));
    p.run(2000);
    expect(p.server.messages).toEqual(['over the stream']);
    p.client.do((s, now) => s.addRoute(udp(), now));
    p.run(1000);
    expect(p.client.activeRoute).toEqual(udp());
  });
});
