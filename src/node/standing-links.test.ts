import { expect, it } from 'vitest';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import type { ProcessAdvert } from '../agents/advert.ts';
import { ProcessTable } from '../agents/table.ts';
import { standingLinks } from './standing-links.ts';

it('a front with legs keeps links with two room nodes of others, every second', () => {
  const clock = new VirtualClock(0);
  const table = new ProcessTable();
  const node = (process: string, more: Partial<ProcessAdvert['roomNode']> | undefined): void => {
    const roomNode = more && { host: 'h', tlsPort: 1, udpPort: 1, rooms: 0, draining: false, ...more };
    const advert = { v: 1, process, version: '1', region: 'r', fingerprint: process, agents: [] } as const;
    table.note({ ...advert, ...(roomNode && { roomNode }) }, 0);
  };
  node('b', {});
  node('a', undefined);
  node('c', { draining: true });
  node('d', { tlsPort: 0 });
  node('e', {});
  node('f', {});
  node('me', {});
  const asked: string[] = [];
  const legs = { size: 0 };
  const links = { stand: (to: ProcessAdvert) => void asked.push(to.process) };
  const undo = standingLinks({ process: 'me', legs, mesh: { table }, links, clock });
  clock.run(5000);
  expect(asked, 'without legs it needs none').toEqual([]);
  legs.size = 1;
  clock.run(2000);
  expect(asked).toEqual(['b', 'e', 'b', 'e']);
  undo();
  clock.run(5000);
  expect(asked).toHaveLength(4);
});
