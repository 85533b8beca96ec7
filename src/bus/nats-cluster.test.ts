import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, it } from 'vitest';
import { type NatsServer, natsMissing, startNatsCluster } from '../../test/harness/nats-server.ts';
import { systemClock } from '../io/clock.ts';
import { Refusal } from '../kit/refusal.ts';
import { natsBus } from './nats.ts';

/** With nats-server 2.9 servers take up to ten seconds to choose a leader, at the start and after one died; more when busy. */
const PATIENCE_MS = 120_000;

it.skipIf(natsMissing)(
  'goes on, and its watches do, when the server of three dies that leads what is kept, and to which it is connected',
  async () => {
    const cluster = await startNatsCluster();
    const counts = new Set<string>();
    const base = {
      clock: systemClock,
      onBug: (error: unknown) => {
        throw error;
      },
      count: (reason: string) => void counts.add(reason),
      limits: { closeWaitMs: 100 },
    };
    const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
      while (!(await holds())) await new Promise(done => setTimeout(done, 20));
    };
    try {
      const maker = await natsBus({ ...base, url: cluster.url, name: 'maker' });
      await maker.close();
      const looking = await connect({ servers: cluster.url.split(',') });
      const { streams, consumers } = await jetstreamManager(looking);
      const [kept, events] = await Promise.all(
        ['KV_ROOMBRIDGE', 'ROOMBRIDGE_EVENTS'].map(s => streams.info(s)),
      );
      expect([kept?.config.num_replicas, events?.config.num_replicas]).toEqual([3, 3]);
      const leader = cluster.servers[Number(kept?.cluster?.leader?.slice(1)) - 1];
      if (leader === undefined) throw new Error(`no leader: ${JSON.stringify(kept?.cluster)}`);

      const other = cluster.servers.find(server => server !== leader) as NatsServer;
      const two = await natsBus({ ...base, url: other.url, name: 'two' });
      // It learns of the others by the server it is told.
      const one = await natsBus({ ...base, url: leader.url, name: 'one' });
      const heard: string[] = [];
      const watchers: string[][] = [];
      const watch = (): void => {
        const told: string[] = [];
        two.kv.watch('room', (key, entry) => void told.push(`${key} ${JSON.stringify(entry?.value)}`));
        watchers.push(told);
      };
      two.events.consume('operator', async e => void heard.push(e.leg ?? ''));
      two.serve('echo', data => data);
      const first = (await one.kv.create('room.1', 0)) as number;
      await one.kv.create('room.2', 'goes');
      let revision = first;
      // The consumer of a watch is on any of the three: watch until one is on the server that dies.
      await until(async () => {
        watch();
        await until(() => watchers.at(-1)?.length === 2);
        const of = await consumers.list('KV_ROOMBRIDGE').next();
        return of.some(c => c.cluster?.leader === kept?.cluster?.leader);
      });
      await until(() => {
        one.events.publish({ type: 'leg.opened', leg: 'before' });
        return heard.includes('before');
      });
      // One whose acknowledgement dies with the server would be told again after a minute, and all others wait for it.
      one.events.publish({ type: 'leg.opened', leg: 'last before' });
      await until(() => heard.includes('last before'));
      await until(async () => (await consumers.info('ROOMBRIDGE_EVENTS', 'operator')).num_ack_pending === 0);
      await looking.close();
      const ups: string[] = [];
      one.onState(state => void ups.push(state));

      await leader.kill();
      for (const leg of ['1', '2', '3']) one.events.publish({ type: 'leg.opened', leg });
      // What needs nobody to lead comes back before what does.
      await until(() => ups.includes('down') && ups.at(-1) === 'up');
      expect(await one.request('echo', 'still here', { timeoutMs: 5000 })).toBe('still here');
      for (let written: number | undefined; written === undefined; )
        written = await one.kv.update('room.1', 1, revision).catch(async error => {
          expect(error).toBeInstanceOf(Refusal);
          // It may have been written or not.
          const there = await one.kv.get('room.1').catch(() => undefined);
          revision = there?.revision ?? revision;
          return undefined;
        });
      const there = await two.kv.get('room.1');
      expect(there?.value).toBe(1);
      expect(await two.kv.update('room.1', 'too late', first), 'compared with what is there').toBeUndefined();
      // It may have been done or not, here too.
      await until(async () => {
        await two.kv.delete('room.2').catch(() => false);
        return (await two.kv.get('room.2').catch(() => 'unknown')) === undefined;
      });
      // They are connected to a server that lives: only the silence of a consumer tells them.
      await until(() => watchers.every(told => told.length === 4));
      for (const told of watchers)
        expect([...told].sort(), 'each once').toEqual([
          'room.1 0',
          'room.1 1',
          'room.2 "goes"',
          'room.2 undefined',
        ]);
      expect(counts).toContain('watch-silent');
      await until(() => heard.includes('3'));
      expect(heard.filter(leg => !leg.endsWith('before'))).toEqual(['1', '2', '3']);
      await Promise.all([one.close(), two.close()]);
    } finally {
      await cluster.close();
    }
  },
  PATIENCE_MS,
);
