import { expect, it } from 'vitest';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { Alternates } from './alternates.ts';

const at = (n: number) => ({ host: `10.0.0.${n}`, udpPort: 4000, tlsPort: 4001 });

/** How often members were told until now. */
function world() {
  const clock = new VirtualClock(0);
  const w = { clock, siblings: [] as object[], told: 0, alternates: undefined as Alternates | undefined };
  const host = { clock, siblings: () => w.siblings as never };
  w.alternates = new Alternates(host, () => [{ tellWays: () => void w.told++ }]);
  const after = (siblings: object[]): number => {
    w.siblings = siblings;
    clock.run(1000);
    return w.told;
  };
  return { w, after };
}

it('an agent that has come is told within a second, once; and one in the place of one that has gone', () => {
  const { after } = world();
  expect(after([])).toBe(0);
  expect(after([at(1)])).toBe(1);
  expect(after([at(1)])).toBe(1);
  expect(after([at(2), at(1)])).toBe(2);
  expect(after([at(1)])).toBe(2); // members try the one, find nobody, and go to the other
  expect(after([at(3)])).toBe(3);
});

it('another order is no news, nor is a fifth while the four that members know are there', () => {
  const { after } = world();
  const four = [1, 2, 3, 4].map(at);
  expect(after(four)).toBe(1);
  expect(after([...four].reverse())).toBe(1);
  expect(after([at(5), ...four])).toBe(1);
  expect(after([at(5), at(6), at(1), at(2), at(3)])).toBe(2);
});

it('what an agent of another version says is passed over, and nothing is left when it stops', () => {
  const { w, after } = world();
  expect(after([{ somewhere: 'else' }])).toBe(0);
  w.alternates?.stop();
  expect(after([at(1)])).toBe(0);
});
