import { expect, it } from 'vitest';
import { inProcessBus } from '../bus/in-process.ts';
import { systemClock } from '../io/clock.ts';
import type { RoomNode } from './room-node.ts';
import { serveRooms } from './room-service.ts';
import { subjects } from './subjects.ts';

it('a text has 4096 bytes at most, whoever it came by', async () => {
  const bus = inProcessBus({
    clock: systemClock,
    onBug: error => expect.fail(String(error)),
    count: () => {},
  });
  const fed: unknown[] = [];
  const node = {
    resume: async () => {},
    feed: (_room: string, input: unknown) => fed.push(input) > 0,
  } as unknown as RoomNode;
  const stop = serveRooms(bus, 'p1', node);
  const write = (text: string) =>
    bus.request(
      subjects.room('p1'),
      { type: 'text', room: '1000', participant: 'alice', text },
      { timeoutMs: 1000 },
    );
  const longest = `${'字'.repeat(1365)}a`;
  expect(await write(longest)).toBe(true);
  await expect(write(`${longest}b`)).rejects.toThrow(
    'A text has 4096 bytes at most, and this one has 4097: send it in parts.',
  );
  expect(fed).toEqual([{ type: 'text', from: 'alice', text: longest }]);
  stop();
  await bus.close();
});
