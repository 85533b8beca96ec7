import { expect, it } from 'vitest';
import { type Weight, weigh } from '../../../../test/harness/weigh.ts';
import { type End, Pair, SERVER } from './pair.testing.ts';

const TRACKS = 3;
const MINUTE_MS = 60_000;

/** Both talk and show themselves all the time; tracks come and go, keys change, addresses change, the network goes away. */
function busy(p: Pair): void {
  const { clock } = p.net;
  const ends = [
    [p.client, p.server],
    [p.server, p.client],
  ] as const;
  const publish = (from: End, to: End, track: number): void => {
    const isSound = track % TRACKS !== 0;
    const out = from.do(s => s.send(track, isSound ? 'audio' : 'video', isSound ? 48_000 : 90_000, () => {}));
    const heard = to.do(s => s.hear(track, () => {}));
    let n = 0;
    const stop = clock.every(isSound ? 20 : 100, now => {
      const seq = n++;
      const frame = { start: true, end: true, key: seq % 50 === 0, config: false, temporal: seq % 2 };
      const picture = { seq, pts: seq * 9000, marker: true, payload: Buffer.alloc(900, seq), frame };
      const sound = { seq, pts: seq * 960, marker: false, payload: Buffer.alloc(60, seq), level: 20 };
      from.do(() => out.sink(isSound ? sound : picture, now));
    });
    clock.at(clock.now() + 0.75 * MINUTE_MS, () => {
      stop();
      from.do(() => out.close());
      to.do(() => heard.close());
      publish(from, to, track + TRACKS);
    });
  };
  for (const [from, to] of ends) for (let track = 0; track < TRACKS; track++) publish(from, to, track);
  clock.every(1000, now => {
    for (const end of [p.client, p.server]) {
      end.do(s => s.say({ now, text: 'x'.repeat(1200) }, now));
      end.sent.length = end.events.length = 0;
    }
  });
  let address = 0;
  clock.every(0.4 * MINUTE_MS, now => {
    for (const end of [p.client, p.server]) end.do(s => s.rekey(now));
    const here = `192.0.2.${10 + (address++ % 5)}`;
    p.net.impair(here, SERVER, { loss: 0.1, delayMs: 30, duplicate: 0.05, reorder: 0.05 });
    p.rebind(here);
  });
  clock.every(1.1 * MINUTE_MS, () => {
    const outage = { loss: 1 };
    const line = [...Array(5).keys()].map(i => `192.0.2.${10 + i}`);
    for (const a of line) p.net.impair(a, SERVER, outage);
    clock.at(clock.now() + 8000, () => {
      for (const a of line)
        p.net.impair(a, SERVER, { loss: 0.1, delayMs: 30, duplicate: 0.05, reorder: 0.05 });
    });
  });
}

it('a session holds as much after minutes as after one, whatever happened to it', () => {
  const p = new Pair(1, { there: { loss: 0.1, delayMs: 30 } }).connect();
  p.run(1000);
  busy(p);
  p.run(MINUTE_MS);
  const looks = { client: [] as Weight[], server: [] as Weight[] };
  // At other places of the round each time: the most of some looks is what it takes.
  for (let look = 0; look < 6; look++) {
    p.run(0.4 * MINUTE_MS);
    looks.client.push(weigh(p.client.session));
    looks.server.push(weigh(p.server.session));
  }
  for (const all of [looks.client, looks.server]) {
    const most = (of: Weight[], what: 'objects' | 'bytes'): number => Math.max(...of.map(w => w[what]));
    for (const what of ['objects', 'bytes'] as const)
      expect(most(all.slice(3), what)).toBeLessThanOrEqual(1.5 * most(all.slice(0, 3), what));
    expect(most(all, 'objects')).toBeLessThan(1000);
    expect(most(all, 'bytes')).toBeLessThan(768 * 1024);
  }
  p.run(0.3 * MINUTE_MS);
  expect(p.client.session.stats()).toMatchObject({ state: 'active' });
  expect(p.client.session.stats().sendEpoch).toBeGreaterThan(4);
});
