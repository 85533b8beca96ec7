import { afterEach, expect, test } from 'vitest';
import type { Front } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { fakeHost } from '../../test/harness/fakes.ts';
import { RawSip } from '../../test/harness/peers/raw-sip.ts';
import { sipConfig } from './config.ts';
import { createSipFront } from './front.ts';

let front: Front | undefined;
let raw: RawSip | undefined;
afterEach(async () => {
  await raw?.close();
  await front?.close({ blame: 'server', reason: 'shutting-down' });
});

async function start() {
  const host = fakeHost({
    place: async () => {
      throw refuse('client', 'wrong-pin', 'Room 1000 needs its PIN.');
    },
  });
  front = createSipFront(host, sipConfig.parse({ address: '127.0.0.1', port: 0 }));
  const [address] = await front.start();
  raw = await RawSip.open(Number(/:(\d+)$/.exec(address?.url ?? '')?.[1]));
  return { host, raw };
}

test('a scanner hears nothing, the next request of a phone is answered', async () => {
  const { host, raw } = await start();
  const asks = (userAgent: string, n: number): string =>
    raw.call('1000', 'x').message('OPTIONS', n, `o${n}`).replace(/\r\n/, `\r\nUser-Agent: ${userAgent}\r\n`);
  raw.send(asks('friendly-scanner', 1));
  raw.send(asks('baresip', 2));
  await raw.until(m => m.startsWith('SIP/2.0 200'), 'answer');
  expect(raw.received).toHaveLength(1);
  expect(raw.received[0]).toContain('CSeq: 2 OPTIONS');
  expect(host.counts).toContain('dropped/scanner');
});

test('wrong PINs in call after call: then no call is even tried for a minute', async () => {
  const { host, raw } = await start();
  const texts: string[] = [];
  for (let i = 0; i < 13; i++) {
    const call = raw.call('1000', 'anna');
    const from = raw.received.length;
    call.invite();
    expect(await call.settle()).toBe(403);
    texts.push(raw.received.slice(from).find(m => m.startsWith('SIP/2.0 403')) ?? '');
  }
  expect(texts[0]).toMatch(/Warning: 399 roombridge "Room 1000 needs its PIN\."/);
  expect(texts[12]).toMatch(/Warning: 399 roombridge "Too many wrong passwords or PINs; wait a minute/);
  expect(host.counts).toContain('refused/too-many-tries');
});
