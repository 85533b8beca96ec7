import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { afterEach, describe, expect, it } from 'vitest';
import { identity } from '../../test/harness/link.ts';
import { natsMissing, startNatsServer } from '../../test/harness/nats-server.ts';
import type { Json } from '../contract.ts';
import { systemClock } from '../io/clock.ts';
import { Refusal } from '../kit/refusal.ts';
import { natsBus } from './nats.ts';
import type { Bus, BusOptions, BusState } from './port.ts';

const counts: string[] = [];
const base: BusOptions = {
  clock: systemClock,
  onBug: error => {
    throw error;
  },
  count: reason => void counts.push(reason),
  limits: { closeWaitMs: 100 },
};

/** What only a bus with a server can do; all else is in port.test.ts. */
describe.skipIf(natsMissing)('the NATS bus', () => {
  const open: Bus[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map(b => b.close()));
    counts.length = 0;
  });
  const settle = async (b: Bus): Promise<void> => {
    const stop = b.serve('settle', () => null);
    await b.request('settle', null, { timeoutMs: 2000 });
    stop();
  };
  const refusal = (p: Promise<unknown>): Promise<Refusal['why']> =>
    p.then(
      () => Promise.reject(new Error('not refused')),
      e => (e instanceof Refusal ? e.why : Promise.reject(e)),
    );

  it('outlives its server and takes up its subscriptions again', async () => {
    const own = await startNatsServer();
    const bus = await natsBus({ ...base, url: own.url, name: 'test' });
    open.push(bus);
    const heard: Json[] = [];
    bus.serve('back', () => 'again');
    bus.subscribe('note', d => void heard.push(d));
    const states: BusState[] = [];
    const changed = (to: BusState): Promise<void> =>
      new Promise(done => {
        const stop = bus.onState(s => {
          states.push(s);
          if (s === to)
            queueMicrotask(() => {
              stop();
              done();
            });
        });
      });
    await own.kill();
    await changed('down');
    expect(await refusal(bus.request('back', null, { timeoutMs: 60_000 }))).toMatchObject({
      reason: 'bus-down',
    });
    bus.publish('note', 'lost');
    expect(counts).toEqual(['publish-while-down']);
    const again = await startNatsServer(own.port);
    await changed('up');
    expect(await bus.request('back', null, { timeoutMs: 5000 })).toBe('again');
    bus.publish('note', 'heard');
    await settle(bus);
    expect(heard).toEqual(['heard']);
    await bus.close();
    await again.kill();
  });

  it('says in words that no server is there, without the password', async () => {
    const why = await refusal(natsBus({ ...base, url: 'nats://me:secret@127.0.0.1:1', name: 'test' }));
    expect(why).toMatchObject({ blame: 'server', reason: 'bus-unreachable' });
    expect(why.text).toContain('nats://127.0.0.1:1');
    expect(why.text).not.toContain('secret');
  });

  it('logs in with what the URL says, and counts what is not JSON', async () => {
    const own = await startNatsServer(undefined, ['--user', 'me', '--pass', 'p@ss']);
    const url = `nats://me:p%40ss@127.0.0.1:${own.port}`;
    const bus = await natsBus({ ...base, url, name: 'test' });
    open.push(bus);
    const heard: Json[] = [];
    bus.subscribe('raw', d => void heard.push(d));
    await settle(bus);
    const raw = await connect({ servers: `127.0.0.1:${own.port}`, user: 'me', pass: 'p@ss' });
    raw.publish('raw', '{"half":');
    raw.publish('raw', '"whole"');
    await raw.drain();
    await settle(bus);
    expect(heard).toEqual(['whole']);
    expect(counts).toEqual(['not-json']);
    await bus.close();
    await own.kill();
  });

  it('speaks TLS to a server it can verify, and to no other', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'nats-'));
    const { certPem, keyPem } = identity('nats');
    writeFileSync(join(folder, 'cert.pem'), certPem);
    writeFileSync(join(folder, 'key.pem'), keyPem);
    const files = ['--tls', '--tlscert', join(folder, 'cert.pem'), '--tlskey', join(folder, 'key.pem')];
    const own = await startNatsServer(undefined, files);
    const url = `tls://localhost:${own.port}`;
    const bus = await natsBus({ ...base, url, name: 'test', tls: { ca: certPem } });
    open.push(bus);
    await settle(bus);
    const other = natsBus({ ...base, url, name: 'test', tls: { ca: identity('nats').certPem } });
    expect(await refusal(other)).toMatchObject({ reason: 'bus-unreachable' });
    await bus.close();
    await own.kill();
    rmSync(folder, { recursive: true });
  });
});
