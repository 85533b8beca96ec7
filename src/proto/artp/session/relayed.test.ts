import { describe, expect, it } from 'vitest';
import { TRAILER_BYTES, TrailerView } from '../trailer.ts';
import { CLIENT, Pair, SERVER, SERVER_PORT } from './pair.testing.ts';
import type { Route } from './types.ts';

const ROUTER = '198.51.100.9';
const VIA: Route = { kind: 'udp', address: ROUTER, port: 7200, via: 'r1' };

/** A call with a way around: a router that counts itself in the trailer and passes everything on. */
function call(seed: number) {
  const p = new Pair(seed).connect();
  const short: number[] = [];
  let client = { address: '', port: 0 };
  const router = p.net.open(ROUTER, 7200, (bytes, address, port) => {
    const view = new TrailerView();
    view.read(bytes);
    if (!view.hasConnection) short.push(bytes.length);
    else bytes[view.start + TRAILER_BYTES - 7]! += 64;
    if (address === SERVER) return router.send(bytes, bytes.length, client.port, client.address);
    client = { address, port };
    router.send(bytes, bytes.length, SERVER_PORT, SERVER);
  });
  for (const end of [CLIENT, SERVER]) p.net.impair(end, ROUTER, { delayMs: 15 });
  p.client.do((s, now) => s.addRoute(VIA, now));
  p.run(500);
  const track = p.client.do(s => s.send(1, 'audio', 48_000, () => {}));
  const back = p.server.do(s => s.send(1, 'audio', 48_000, () => {}));
  const heard = { up: [] as number[], down: [] as number[] };
  p.server.do(s => s.hear(1, (_, now) => void heard.up.push(now)));
  p.client.do(s => s.hear(1, (_, now) => void heard.down.push(now)));
  let seq = 0;
  const moves: string[] = [];
  p.net.clock.every(20, now => {
    const m = { seq, pts: seq * 960, marker: false, payload: Buffer.alloc(60, seq), level: 9 };
    p.client.do(() => track.sink(m, now));
    p.server.do(() => back.sink({ ...m }, now));
    seq++;
    const at = p.client.activeRoute?.address ?? '';
    if (at !== moves.at(-1)) moves.push(at);
  });
  const gap = (since: number): number => {
    const longest = (times: number[]): number => {
      const all = [since, ...times.filter(t => t > since), p.net.clock.now()];
      return Math.max(...all.slice(1).map((t, i) => t - all[i]!));
    };
    return Math.max(longest(heard.up), longest(heard.down));
  };
  return { p, moves, gap, short };
}

describe('a way around', () => {
  it.each([
    ['150 ms more', { delayMs: 170 }],
    ['20 % loss', { delayMs: 20, loss: 0.2 }],
  ])('is taken when the direct one gets %s, without a gap, and left when that is over', (_, bad) => {
    const { p, moves, gap, short } = call(80);
    p.run(10_000);
    expect(moves).toEqual([SERVER]);
    p.impair(bad);
    const since = p.net.clock.now();
    p.run(20_000);
    expect(moves).toEqual([SERVER, ROUTER]);
    expect(p.server.activeRoute).toMatchObject({ address: ROUTER, via: 'router' });
    p.impair({ delayMs: 2 });
    p.net.impair(CLIENT, ROUTER, { delayMs: 60 });
    p.run(60_000);
    expect(moves).toEqual([SERVER, ROUTER, SERVER]);
    expect(gap(since)).toBeLessThan(300);
    expect(short).toEqual([]);
    // The router's address is that of many sessions: nobody is looked up by it.
    const told = p.server.events.flatMap(e => (e.type === 'route' ? [e.route.address] : []));
    expect(told).not.toContain(ROUTER);
    expect(told).toContain(CLIENT);
  });

  it('that is hardly better is not worth a move', () => {
    const { p, moves } = call(81);
    p.run(5000);
    p.impair({ delayMs: 45 });
    p.run(30_000);
    expect(moves).toEqual([SERVER]);
    expect(p.client.session.paths().map(x => x.state)).toEqual(['ready', 'ready']);
  });
});
