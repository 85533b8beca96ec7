import { describe, expect, it } from 'vitest';
import { isSigned, readBound, writeBind } from '../proto/artp/relay/bind.ts';
import { connectionId } from '../proto/artp/relay/connection-id.ts';
import { type RelayTicket, readRelayTicket, relayTicket, ticketKey } from '../proto/artp/relay/ticket.ts';
import { writeTrailer } from '../proto/artp/trailer.ts';
import { Bindings, LIMITS } from './bindings.ts';
import { controlKey, writeControl } from './control.ts';
import { SHARED, seededBytes, TAGS, UNIX_OF_ZERO, world } from './world.testing.ts';

type World = ReturnType<typeof world>;
const EVIL = '10.66.6.6';

/** A bystander's socket: what it hears, and what it may send. */
function stranger(w: World, address = EVIL) {
  const heard: Buffer[] = [];
  const socket = w.net.open(address, 0, bytes => void heard.push(bytes));
  const send = (bytes: Buffer, to = w.a): void => socket.send(bytes, bytes.length, to.port, to.address);
  return { heard, send, port: socket.port };
}
const datagram = (to: Uint8Array, hops = 0): Buffer => {
  const b = Buffer.alloc(75, 1);
  b[0] = 0x80;
  writeTrailer(b, 60, to, hops << 6, 1, 0);
  return b;
};
function called(seed: number): World {
  const w = world(seed);
  w.net.clock.run(3000);
  w.client.bindAt(w.a, w.ticket, w.random);
  w.net.clock.run(1000);
  return w;
}
const relayed = (w: World): number[] => w.routers.map(r => r.core.stats.relayed);

describe('a router relays nothing', () => {
  it('for strangers, whatever id they name and however many hops they claim', () => {
    const w = called(1);
    w.client.isMute = w.server.isMute = true;
    w.net.clock.run(500);
    const before = relayed(w);
    const evil = stranger(w);
    for (const id of [w.client.ours, w.server.ours, connectionId(TAGS.server, w.random), w.random(8)])
      for (const hops of [0, 1, 2, 3]) for (const at of [w.a, w.b, w.c]) evil.send(datagram(id, hops), at);
    w.net.clock.run(1000);
    expect(relayed(w)).toEqual(before);
    expect(evil.heard).toEqual([]);
    expect(w.routers[0].drops.get('stranger')).toBe(4);
    expect(w.routers[0].drops.get('not-a-router')).toBe(8);
    expect(w.routers[0].drops.get('loop')).toBe(4);
  });
  it('of a member but to its own server, of a server but to its own members', () => {
    const w = called(2);
    w.net.clock.run(500);
    const before = w.client.heard.length;
    const { client, server } = w;
    (client as { theirs: Buffer }).theirs = connectionId(TAGS.server, w.random); // another session of that server
    (server as { theirs: Buffer }).theirs = w.random(8);
    const heard = server.heard.length;
    w.net.clock.run(1000);
    expect(server.heard.length - heard).toBeLessThanOrEqual(3); // what was under way
    expect(client.heard.length - before).toBeLessThanOrEqual(3);
    expect(w.routers[0].drops.get('not-its-server')).toBeGreaterThan(40);
    expect(w.routers[1].drops.get('unknown-connection')).toBeGreaterThan(40);
  });
  it('in circles: what has passed three routers, or two and wants on, ends', () => {
    const w = called(3);
    const spoof = (hops: number): void => {
      // As if it came from router C, whose address a bystander may well forge.
      w.routers[0].core.receive(datagram(w.server.ours, hops), w.c.address, w.c.port, w.net.clock.now());
    };
    w.client.isMute = w.server.isMute = true;
    w.net.clock.run(500);
    const before = relayed(w).reduce((x, y) => x + y);
    for (let hops = 0; hops < 4; hops++) spoof(hops);
    w.net.clock.run(1000);
    // One hop: straight on to B, and out. Two: out. None and three: nothing.
    expect(relayed(w).reduce((x, y) => x + y) - before).toBe(3);
    expect(w.routers[0].drops.get('loop')).toBe(1);
    expect(w.routers[0].drops.get('bad-hops')).toBe(1);
  });
  it('on the word of a router that is none: forged, altered and replayed messages change nothing', () => {
    const w = called(4);
    const evil = stranger(w);
    const body = {
      kind: 'bindings',
      number: 999_999,
      bindings: [{ client: w.client.ours, serverTag: TAGS.server, isBound: false }],
    } as const;
    const real = writeControl({ from: TAGS.a, to: TAGS.b, via: 0, body }, controlKey(SHARED));
    const forged = writeControl({ from: TAGS.a, to: TAGS.b, via: 0, body }, Buffer.alloc(32, 1));
    evil.send(real, w.b); // authentic, but not from a router's address
    w.routers[1].core.receive(forged, w.a.address, w.a.port, w.net.clock.now());
    for (let bit = 0; bit < real.length * 8; bit++) {
      const altered = Buffer.from(real);
      altered[bit >> 3]! ^= 1 << (bit & 7);
      w.routers[1].core.receive(altered, w.a.address, w.a.port, w.net.clock.now());
    }
    const before = w.client.heard.length;
    w.net.clock.run(1000);
    expect(w.client.heard.length - before).toBeGreaterThan(45);
    expect(w.routers[1].drops.get('forged-control')).toBeGreaterThan(real.length * 7);
    expect(evil.heard).toEqual([]);
  });
  it('twice on the word of a probe that is played again', () => {
    const w = world(5);
    const seen: Buffer[] = [];
    w.net.link(w.a.address, w.b.address).tap = bytes => {
      if (bytes[0] === 0xf1) seen.push(Buffer.from(bytes));
    };
    w.net.clock.run(5500);
    const sent = w.net.link(w.b.address, w.a.address).stats.packets;
    const scores = w.routers[1].core.views(w.net.clock.now());
    for (const bytes of seen)
      w.routers[1].core.receive(Buffer.from(bytes), w.a.address, w.a.port, w.net.clock.now());
    expect(w.net.link(w.b.address, w.a.address).stats.packets).toBe(sent);
    expect(w.routers[1].core.views(w.net.clock.now())).toEqual(scores);
    expect(w.routers[1].drops.get('replayed-control')).toBeGreaterThan(5);
  });
});

describe('a binding', () => {
  const random = seededBytes(9);
  const key = Buffer.alloc(32, 3);
  const make = () => new Bindings({ shared: SHARED, cookieKey: key, unixOfZero: UNIX_OF_ZERO });
  const holder = () => {
    const [client, server] = [random(8), connectionId(TAGS.server, random)];
    const ticket = readRelayTicket(relayTicket(SHARED, client, server, UNIX_OF_ZERO)) as RelayTicket;
    const bind = (cookie?: Uint8Array): Buffer =>
      writeBind(
        { nonce: random(8), client, server, expiresAt: ticket.expiresAt, ...(cookie && { cookie }) },
        ticket.key,
      );
    return { client, server, ticket, bind };
  };
  /** Asks, shows the cookie, is bound. */
  const bound = (
    bindings: Bindings,
    h: ReturnType<typeof holder>,
    address: string,
    port: number,
    now: number,
  ) => {
    const first = bindings.bind(h.bind(), address, port, now);
    if (first.type !== 'answer') throw new Error(JSON.stringify(first));
    const proof = h.bind(readBound(first.bytes)!.cookie);
    return { proof, result: bindings.bind(proof, address, port, now) };
  };

  it('needs a ticket, and a cookie that only comes to the address it is for; answers are shorter than questions', () => {
    const bindings = make();
    const h = holder();
    const asked = h.bind();
    const first = bindings.bind(asked, '192.0.2.1', 4000, 0);
    expect(first.type).toBe('answer');
    expect(bindings.size).toBe(0);
    if (first.type !== 'answer') return;
    expect(first.bytes.length).toBeLessThan(asked.length);
    expect(isSigned(first.bytes, h.ticket.key)).toBe(true);
    const { cookie } = readBound(first.bytes)!;
    // The same, from elsewhere: the cookie is another's, so it is asked for again and nothing is bound.
    expect(bindings.bind(h.bind(cookie), '192.0.2.2', 4000, 0).type).toBe('answer');
    expect(bindings.bind(h.bind(cookie), '192.0.2.1', 4001, 0).type).toBe('answer');
    expect(bindings.bind(h.bind(cookie), '192.0.2.1', 4000, 130_000).type).toBe('answer');
    expect(bindings.size).toBe(0);
    expect(bindings.bind(h.bind(cookie), '192.0.2.1', 4000, 1000)).toMatchObject({
      type: 'bound',
      isNew: true,
    });
    expect(bindings.size).toBe(1);
  });
  it('is not moved by a BIND that was seen and is sent from elsewhere', () => {
    const bindings = make();
    const h = holder();
    const { proof } = bound(bindings, h, '192.0.2.1', 4000, 0);
    expect(bindings.bind(proof, EVIL, 4000, 10).type).toBe('answer');
    expect(bindings.of(h.client, 0)).toMatchObject({ address: '192.0.2.1', port: 4000 });
    expect(bindings.from(EVIL, 4000)).toEqual([]);
    bound(bindings, h, '192.0.2.77', 4000, 20); // its holder may
    expect(bindings.of(h.client, 0)).toMatchObject({ address: '192.0.2.77' });
    expect(bindings.from('192.0.2.1', 4000)).toEqual([]);
    expect(bindings.size).toBe(1);
  });
  it('of a wrong, altered, foreign or expired ticket is refused without an answer', () => {
    const bindings = make();
    const h = holder();
    const good = h.bind();
    for (let bit = 0; bit < good.length * 8; bit += 3) {
      const altered = Buffer.from(good);
      altered[bit >> 3]! ^= 1 << (bit & 7);
      expect(bindings.bind(altered, `198.51.100.${bit % 250}`, 1, bit * 100).type).toBe('junk');
    }
    const past = UNIX_OF_ZERO / 1000 - 1;
    const expired = { nonce: random(8), client: h.client, server: h.server, expiresAt: past };
    expect(
      bindings.bind(writeBind(expired, ticketKey(SHARED, h.client, h.server, past)), '192.0.2.9', 1, 0),
    ).toEqual({ type: 'junk', reason: 'expired-ticket' });
    expect(
      bindings.bind(
        writeBind(expired, ticketKey(Buffer.alloc(32), h.client, h.server, past)),
        '192.0.2.9',
        1,
        0,
      ),
    ).toEqual({ type: 'junk', reason: 'forged-bind' });
    for (let cut = 0; cut < good.length; cut++)
      expect(bindings.bind(good.subarray(0, cut), '192.0.2.8', 1, 0)).toEqual({
        type: 'junk',
        reason: 'bad-bind',
      });
    expect(bindings.size).toBe(0);
  });
  it('floods are bounded: by address in rate and number, and in all', () => {
    const bindings = make();
    const h = holder();
    let answered = 0;
    for (let i = 0; i < 10_000; i++) if (bindings.bind(h.bind(), EVIL, 1, i / 10).type !== 'junk') answered++;
    expect(answered).toBeLessThanOrEqual(3 * LIMITS.bindsPerSecondOfOneAddress);
    let now = 10_000;
    let full = 0;
    for (let i = 0; i < LIMITS.bindingsOfOneAddress + 10; i++) {
      now += 200;
      const { result } = bound(bindings, holder(), '192.0.2.50', 1000 + i, now);
      if (result.type === 'junk' && result.reason === 'bindings-full') full++;
    }
    expect(bindings.size).toBe(LIMITS.bindingsOfOneAddress);
    expect(full).toBe(10);
    expect(bindings.expire(now + LIMITS.keepMs + 1).length).toBe(LIMITS.bindingsOfOneAddress);
    expect(bindings.size).toBe(0);
    expect(bindings.from('192.0.2.50', 1000)).toEqual([]);
  });
  it('ends with its ticket, and when nothing is heard of it', () => {
    const w = called(6);
    expect(w.routers[0].core.bindings).toBe(1);
    w.client.binding?.close();
    w.net.clock.run(70_000);
    expect(w.routers[0].core.bindings).toBe(1); // traffic keeps it
    w.client.isMute = true;
    w.net.clock.run(70_000);
    expect(w.routers[0].core.bindings).toBe(0);
    const before = w.client.heard.length;
    w.net.clock.run(1000);
    expect(w.client.heard.length).toBe(before); // and the other routers know that it is over
    expect(w.routers[1].drops.get('unknown-connection')).toBeGreaterThan(0);
  });
});
