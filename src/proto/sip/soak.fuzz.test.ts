import { expect, test } from 'vitest';
import { Junk } from '../../../test/harness/junk.ts';
import { seeded } from '../../../test/harness/sip-world.ts';
import { SipEndpoint } from './endpoint.ts';
import { type Flow, flowTo, type Transport } from './flow.ts';

/** 100 000 at the default of 200. */
const MESSAGES = Math.min(Number(process.env.FUZZ_RUNS ?? 200) * 500, 1_000_000);
const TRANSPORTS: readonly Transport[] = ['udp', 'udp', 'tcp', 'tls', 'ws', 'wss'];
const MEGABYTE = 1024 * 1024;

test(`${MESSAGES} datagrams, frames and chunks of junk: it lives, and nothing of them stays`, () => {
  const junk = new Junk(11);
  const random = seeded(12);
  const endpoint = new SipEndpoint({
    random: n => Buffer.from(Array.from({ length: n }, () => Math.floor(random() * 256))),
    local: () => ({ host: '192.0.2.1', port: 5060 }),
    name: 'fuzzed',
    maxCalls: 100,
    newRequestsPerSecond: 20,
  });
  let now = 0;
  let answers = 0;
  const closing: Flow[] = [];
  const drain = (): void => {
    for (let out = endpoint.poll(); out !== undefined; out = endpoint.poll()) {
      if (out.type === 'send') answers++;
      else if (out.type === 'close-flow') closing.push(out.flow);
      else if (out.type === 'invite') endpoint.handle({ type: 'reject', call: out.call, status: 404 }, now);
    }
    for (const flow of closing.splice(0)) endpoint.handle({ type: 'flow-closed', flow }, now);
  };
  const ticks = (until: number): void => {
    while (endpoint.deadline <= until) {
      now = endpoint.deadline;
      endpoint.handle({ type: 'tick' }, now);
      drain();
    }
    now = until;
  };
  const used = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  let before = 0;
  for (let i = 0; i < MESSAGES; i++) {
    if (i === MESSAGES / 10) before = used();
    const transport = TRANSPORTS[junk.below(TRANSPORTS.length)] as Transport;
    const flow = flowTo(transport, `198.51.100.${junk.below(250)}`, 1024 + junk.below(20));
    const type = transport === 'tcp' || transport === 'tls' ? 'chunk' : 'datagram';
    endpoint.handle({ type, flow, bytes: junk.bytes('sip') }, now);
    drain();
    if (transport !== 'udp' && junk.below(8) === 0) endpoint.handle({ type: 'flow-closed', flow }, now);
    ticks(now + 2);
  }
  const after = used();
  expect(answers).toBeGreaterThan(MESSAGES / 100);
  for (const transport of ['tcp', 'tls', 'ws', 'wss'] as const)
    for (let host = 0; host < 250; host++)
      for (let port = 1024; port < 1044; port++)
        endpoint.handle({ type: 'flow-closed', flow: flowTo(transport, `198.51.100.${host}`, port) }, now);
  ticks(now + 300_000);
  expect(endpoint.load).toEqual({ calls: 0, transactions: 0, timers: 0 });
  // Without --expose-gc the collector comes when it likes: a leak of 1 KB a message would be 90 MB.
  expect(after - before).toBeLessThan((globalThis.gc ? 20 : 60) * MEGABYTE);
}, 300_000);
