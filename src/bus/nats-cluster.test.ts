import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { expect, it } from 'vitest';
import { natsMissing, startNatsCluster } from '../../test/harness/nats-server.ts';
import { systemClock } from '../io/clock.ts';
import { Refusal } from '../kit/refusal.ts';
import { natsBus } from './nats.ts';

/** With nats-server 2.9 servers take up to ten seconds to choose a leader, at the start and after one died. */
const PATIENCE_MS = 60_000;

it.skipIf(natsMissing)(
  'goes on when the server of three dies that leads what is kept, and to which it is connected',
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
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise(done => setTimeout(done, 20));
    };
    try {
      const two = await natsBus({ ...base, url: cluster.url, name: 'two' });
      const looking = await connect({ servers: cluster.url.split(',') });
      const { streams } = await jetstreamManager(looking);
      const [kept, events] = await Promise.all(
        ['KV_ROOMBRIDGE', 'ROOMBRIDGE_EVENTS'].map(s => streams.info(s)),
      );
      await looking.close();
      expect([kept?.config.num_replicas, events?.config.num_replicas]).toEqual([3, 3]);
      const leader = cluster.servers[Number(kept?.cluster?.leader?.slice(1)) - 1];
      if (leader === undefined) throw new Error(`no leader: ${JSON.stringify(kept?.cluster)}`);

      // It learns of the others by the server it is told.
      const one = await natsBus({ ...base, url: leader.url, name: 'one' });
      const heard: string[] = [];
      two.events.consume('operator', async e => void heard.push(e.leg ?? ''));
      two.serve('echo', data => data);
      const first = (await one.kv.create('room.1', 0)) as number;
      let revision = first;
      await until(() => {
        one.events.publish({ type: 'leg.opened', leg: 'before' });
        return heard.includes('before');
      });
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
      await until(() => heard.includes('3'));
      expect(heard.filter(leg => leg !== 'before')).toEqual(['1', '2', '3']);
      await Promise.all([one.close(), two.close()]);
    } finally {
      await cluster.close();
    }
  },
  PATIENCE_MS,
);
