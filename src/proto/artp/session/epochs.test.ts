import { expect, it } from 'vitest';
import { Pair } from './pair.testing.ts';

// Keys change every hour, talk or none: 256 epochs are ten and a half days, and a link lives longer.
it.each([100, 127, 128, 200, 255, 256, 300])(
  'a track that was silent for %d changes of keys is heard again',
  epochs => {
    const p = new Pair(95).connect();
    p.run(500);
    const heard: number[] = [];
    const track = p.client.do(s => s.send(1, 'audio', 48_000, () => {}));
    p.server.do(s => s.hear(1, m => void heard.push(m.seq)));
    let seq = 0;
    const speak = (): void => {
      for (let i = 0; i < 5; i++) {
        const m = { seq, pts: seq * 960, marker: false, payload: Buffer.alloc(60, seq) };
        p.client.do((_, now) => track.sink(m, now));
        seq++;
        p.run(20);
      }
      p.run(500);
    };
    speak();
    for (let n = 0; n < epochs; n++) {
      for (const end of [p.client, p.server]) end.do((s, now) => s.rekey(now));
      while (p.client.session.stats().sendEpoch <= n) p.run(50);
    }
    expect(p.client.session.stats().sendEpoch).toBe(epochs);
    p.run(6000);
    speak();
    expect(heard).toEqual([...Array(10).keys()]);
    expect(p.server.drops.get('bad-announcement')).toBe(0);
  },
);
