import { describe, expect, it } from 'vitest';
import { NEVER } from '../../../kit/core.ts';
import { type BindMessage, hasCookie, isSigned, readBind, writeBound } from './bind.ts';
import { connectionId, newTag, readTag, tagOf, writeTag } from './connection-id.ts';
import { MAX_OFFERS, RelayRoutes, type RouterOffer } from './relay-routes.ts';
import { readRelayTicket, relayTicket, ticketKey } from './ticket.ts';

const SHARED = Buffer.alloc(32, 5);
const ours = Buffer.from('c1c2c3c4c5c6c7c8', 'hex');
const theirs = Buffer.from('0a0b0c0405060708', 'hex');
const cookie = Buffer.alloc(16, 0xcc);
let counter = 0;
const random = (n: number): Buffer => Buffer.alloc(n, ++counter);
const offer = (host: string): RouterOffer => ({
  id: host,
  host,
  port: 7120,
  ticket: relayTicket(SHARED, ours, theirs, 0),
});

function client(...routers: RouterOffer[]) {
  const sent: { bind: Buffer; to: string }[] = [];
  const told: string[] = [];
  const junk: string[] = [];
  const routes = new RelayRoutes(
    {
      routers,
      ours,
      theirs,
      random,
      send: (bytes, address) => void sent.push({ bind: Buffer.from(bytes), to: address }),
      on: (router, isOpen) => void told.push(`${router.id} ${isOpen ? 'open' : 'shut'}`),
      count: reason => void junk.push(reason),
    },
    1000,
  );
  const asked = (): BindMessage => readBind(sent.at(-1)!.bind)!;
  const key = ticketKey(SHARED, ours, theirs, 86_400);
  const answer = (isBound: boolean, now: number, from: string, m = asked(), k = key): boolean =>
    routes.receive(
      writeBound({ isBound, nonce: m.nonce, client: ours, cookie, keepS: 60 }, k),
      from,
      7120,
      now,
    );
  return { routes, sent, told, junk, asked, answer, key };
}

describe('ids', () => {
  it('begin with the tag of their socket, which is never 0', () => {
    const zeroFirst = [Buffer.alloc(3), Buffer.of(0, 0, 9)];
    expect(newTag(() => zeroFirst.shift()!)).toBe(9);
    const id = connectionId(0x0a0b0c, random);
    expect(id.length).toBe(8);
    expect(tagOf(id, 0)).toBe(0x0a0b0c);
    expect(readTag(writeTag(0x0a0b0c))).toBe(0x0a0b0c);
    for (const none of ['', '0a0b', '0A0B0C', 'zzzzzz', '0a0b0c0d']) expect(readTag(none)).toBe(0);
  });
});

describe('a ticket', () => {
  it('is for these two ids, this time and this system', () => {
    const ticket = readRelayTicket(relayTicket(SHARED, ours, theirs, 0))!;
    expect(ticket.expiresAt).toBe(86_400);
    expect(ticket.key).toEqual(ticketKey(SHARED, ours, theirs, 86_400));
    for (const other of [
      ticketKey(SHARED, theirs, ours, 86_400),
      ticketKey(SHARED, ours, theirs, 86_401),
      ticketKey(Buffer.alloc(32), ours, theirs, 86_400),
    ])
      expect(other).not.toEqual(ticket.key);
    for (const bad of ['', 'x', `${'A'.repeat(48)}!`, 'A'.repeat(47)])
      expect(readRelayTicket(bad)).toBeUndefined();
  });
});

describe('a binding', () => {
  it('is asked for, proven by the cookie, and refreshed', () => {
    const c = client(offer('192.0.2.1'));
    c.routes.tick(1000);
    expect(c.sent.length).toBe(1);
    expect(isSigned(c.sent[0]!.bind, c.key)).toBe(true);
    expect(hasCookie(c.asked())).toBe(false);
    expect(c.answer(false, 1010, '192.0.2.1')).toBe(true);
    expect(Buffer.from(c.asked().cookie)).toEqual(cookie);
    expect(c.told).toEqual([]);
    c.answer(true, 1020, '192.0.2.1');
    expect(c.told).toEqual(['192.0.2.1 open']);
    expect(c.routes.deadline).toBe(16_020);
    c.routes.tick(16_020);
    expect(c.sent.length).toBe(3);
    c.answer(true, 16_030, '192.0.2.1');
    expect(c.told).toEqual(['192.0.2.1 open']);
    c.routes.close();
    expect(c.routes.deadline).toBe(NEVER);
    expect(c.answer(true, 16_040, '192.0.2.1')).toBe(true);
    expect(c.junk).toEqual(['unasked-bound']);
  });
  it('is given up when three refreshes have no answer, and asked for ever less often, but again', () => {
    const c = client(offer('192.0.2.1'));
    c.routes.tick(1000);
    c.answer(true, 1010, '192.0.2.1');
    const waits: number[] = [];
    let now = 1010;
    for (let i = 0; i < 9; i++) {
      waits.push(c.routes.deadline - now);
      now = c.routes.deadline;
      c.routes.tick(now);
      if (c.told.length === 2 && waits.length < 4) throw new Error('too soon');
    }
    expect(c.told).toEqual(['192.0.2.1 open', '192.0.2.1 shut']);
    expect(waits).toEqual([15_000, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    c.answer(true, now, '192.0.2.1');
    expect(c.told.at(-1)).toBe('192.0.2.1 open');
    c.routes.again(now + 5);
    expect(c.routes.deadline).toBe(now + 205);
  });
  it('believes its router only, and only what it asked for', () => {
    const c = client(offer('192.0.2.1'), offer('192.0.2.2'), { ...offer('192.0.2.3'), ticket: 'none' });
    expect(c.junk.splice(0)).toEqual(['bad-relay-ticket']);
    c.routes.tick(1000);
    const [first, second] = c.sent.map(s => readBind(s.bind)!) as [BindMessage, BindMessage];
    expect(c.answer(true, 1001, '192.0.2.9', first)).toBe(true);
    c.answer(true, 1002, '192.0.2.1', second);
    c.answer(true, 1003, '192.0.2.1', first, Buffer.alloc(32));
    c.routes.receive(Buffer.of(0xf3, 1, 0), '192.0.2.1', 7120, 1004);
    expect(c.junk).toEqual(['unasked-bound', 'unasked-bound', 'forged-bound', 'not-bound']);
    expect(c.told).toEqual([]);
    expect(c.routes.receive(Buffer.of(0x80, 0, 0), '192.0.2.1', 7120, 1005)).toBe(false);
    c.answer(true, 1006, '192.0.2.2', second);
    expect(c.told).toEqual(['192.0.2.2 open']);
  });
  it('is looked for at few routers, however many are offered', () => {
    const c = client(...Array.from({ length: 9 }, (_, i) => offer(`192.0.2.${i + 1}`)));
    c.routes.tick(1000);
    expect(c.sent.length).toBe(MAX_OFFERS);
  });
});
