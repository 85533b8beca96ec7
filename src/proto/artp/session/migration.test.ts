import { expect, it } from 'vitest';
import { isRtcp } from '../../rtp/rtp.ts';
import { TRAILER_BYTES, TrailerView } from '../trailer.ts';
import { CLIENT, Pair, SERVER, SERVER_PORT, udp } from './pair.testing.ts';

const ROUTER = '198.51.100.9';

it('an answer that was long under way does not take the server back to the way that was left', () => {
  const p = new Pair(92).connect();
  const view = new TrailerView();
  const router = p.net.open(ROUTER, 7200, (bytes, address) => {
    view.read(bytes);
    bytes[view.start + TRAILER_BYTES - 7]! += 64;
    const [to, port] = address === SERVER ? [CLIENT, p.socket.port] : [SERVER, SERVER_PORT];
    router.send(bytes, bytes.length, port, to);
  });
  for (const end of [CLIENT, SERVER]) p.net.impair(end, ROUTER, { delayMs: 15 });
  p.client.do((s, now) => s.addRoute({ kind: 'udp', address: ROUTER, port: 7200, via: 'r1' }, now));
  p.run(500);
  for (const [from, to] of [
    [p.client, p.server],
    [p.server, p.client],
  ] as const) {
    const track = from.do(s => s.send(1, 'audio', 48_000, () => {}));
    to.do(s => s.hear(1, () => {}));
    let seq = 0;
    p.net.clock.every(20, now => {
      const m = { seq, pts: seq * 960, marker: false, payload: Buffer.alloc(60, seq), level: 9 };
      from.do(() => track.sink(m, now));
      seq++;
    });
  }
  p.run(5000);
  expect(p.client.activeRoute?.address).toBe(SERVER);
  // What the client says to the first address from now on comes, but not before it has long gone elsewhere.
  const late: Buffer[] = [];
  const send = p.client.out.get('udp')!;
  p.client.out.set('udp', (b, n, r) => {
    if (r.address !== SERVER) send(b, n, r);
    else if (isRtcp(b)) late.push(Buffer.from(b.subarray(0, n)));
  });
  p.server.do((s, now) => s.ask(now));
  p.run(100);
  p.client.do((s, now) => s.dropRoute(udp(), now));
  p.client.do((s, now) => s.ask(now));
  p.run(100);
  expect(p.server.activeRoute?.address).toBe(ROUTER);
  expect(late.length).toBeGreaterThan(0);
  for (const bytes of late) {
    p.server.do((s, now) => s.receive(bytes, udp(CLIENT, p.socket.port), now));
    expect(p.server.activeRoute?.address).toBe(ROUTER);
  }
  expect(p.server.drops.get('unasked-response')).toBe(0);
});
