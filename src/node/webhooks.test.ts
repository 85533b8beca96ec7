import { expect, it } from 'vitest';
import { silentLog } from '../../test/harness/fakes.ts';
import { ManualClock } from '../../test/harness/link.ts';
import { inProcessBus } from '../bus/in-process.ts';
import { isSigned } from '../ops/webhooks.ts';
import { tellWebhooks } from './webhooks.ts';

const settle = async (): Promise<void> => {
  for (let i = 0; i < 50; i++) await Promise.resolve();
};

it('each address is told of every event in order; one that does not take it is told again, later and later', async () => {
  const clock = new ManualClock();
  const bus = inProcessBus({
    clock,
    onBug: e => {
      throw e;
    },
    count: () => {},
  });
  const posted: string[] = [];
  let refusing = 2;
  const fetch = async (url: string, init: RequestInit) => {
    const body = init.body as string;
    const headers = init.headers as Record<string, string>;
    const signed = isSigned(body, headers['roombridge-signature'] ?? '', `secret of ${url}`, 1_800_000_000);
    posted.push(`${new URL(url).host} ${JSON.parse(body).room} ${signed}`);
    const bad = url.includes('slow') && refusing-- > 0;
    return { status: bad ? 503 : 204, body: null };
  };
  const webhooks = ['https://quick.example/', 'https://slow.example/'].map(url => ({
    url,
    secret: `secret of ${url}`,
  }));
  const stop = tellWebhooks(bus, webhooks, {
    log: silentLog,
    now: () => 1_800_000_000_000,
    count: () => {},
    fetch,
  });
  bus.events.publish({ type: 'room.created', room: '1' });
  bus.events.publish({ type: 'room.ended', room: '2' });
  await settle();
  const quick = ['quick.example 1 true', 'quick.example 2 true'];
  expect(posted.filter(p => p.startsWith('quick'))).toEqual(quick);
  const slow = () => posted.filter(p => p.startsWith('slow'));
  expect(slow()).toEqual(['slow.example 1 true']);
  clock.advance(1000);
  await settle();
  expect(slow()).toHaveLength(2);
  clock.advance(1999);
  await settle();
  expect(slow()).toHaveLength(2);
  clock.advance(1);
  await settle();
  expect(slow().slice(2)).toEqual(['slow.example 1 true', 'slow.example 2 true']);
  stop();
  bus.events.publish({ type: 'room.created', room: '3' });
  await settle();
  expect(posted).toHaveLength(6);
  await bus.close();
});
