import { errors } from '@nats-io/transport-node';
import { beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { FakeStore, settled } from './nats-feed.testing.ts';
import { NatsKeyValue } from './nats-kv.ts';
import { NatsWatch } from './nats-watch.ts';

describe('a watch', () => {
  let clock: VirtualClock;
  let store: FakeStore;
  let counts: string[];
  let told: string[];
  let watch: NatsWatch;

  beforeEach(async () => {
    clock = new VirtualClock();
    store = new FakeStore();
    store.pending = 2;
    counts = [];
    told = [];
    watch = new NatsWatch('room', (key, entry) => void told.push(`${key} ${JSON.stringify(entry?.value)}`), {
      store,
      clock,
      count: reason => void counts.push(reason),
      guard: run => run(),
    });
    watch.restart();
    await settled();
    store.newest.say('room.1', 1, 'one', 1);
    store.newest.say('room.2', 2, 'two');
    told.length = 0;
  });
  const later = async (): Promise<void> => {
    clock.run(1000);
    await settled();
  };

  it('asks for all under its prefix, and hears every few seconds that the server is there', () => {
    expect(store.newest.config).toMatchObject({
      filter_subject: '$KV.ROOMBRIDGE.room.>',
      deliver_policy: 'last_per_subject',
      ack_policy: 'none',
      idle_heartbeat: 3e9,
    });
  });

  it('whose consumer is silent is made anew: what changed and what went is told, what stayed is not', async () => {
    await store.newest.status({ type: 'heartbeats_missed', count: 2 });
    expect([store.made[0]?.isStopped, counts]).toEqual([true, ['watch-silent']]);
    await later();
    expect(store.made).toHaveLength(2);
    store.newest.say('room.1', 1, 'one', 1);
    expect(told, 'nothing is gone before all is told').toEqual([]);
    store.newest.say('room.3', 4, 'three');
    expect(told).toEqual(['room.3 "three"', 'room.2 undefined']);
    store.newest.say('room.1', 5, 'more');
    store.newest.say('room.1', 6, undefined);
    expect(told.slice(2)).toEqual(['room.1 "more"', 'room.1 undefined']);
  });

  it('told of nothing at all, or of nothing more, knows that the rest is gone', async () => {
    store.pending = 0;
    await store.newest.status({ type: 'consumer_deleted', code: 409, description: '' });
    await later();
    expect(told).toEqual(['room.1 undefined', 'room.2 undefined']);
  });

  it('looks whether that was all when the last of what was there was swept before it was told', async () => {
    await store.newest.status({ type: 'heartbeats_missed', count: 2 });
    await later();
    store.newest.say('room.1', 1, 'one', 1);
    store.info = { num_pending: 1, delivered: { consumer_seq: 1 } };
    await store.newest.heartbeat(1);
    expect(told, 'held back by the server').toEqual([]);
    store.info = { num_pending: 0, delivered: { consumer_seq: 1 } };
    await store.newest.heartbeat(1);
    expect(told).toEqual(['room.2 undefined']);
  });

  it('that missed a message is made anew, by the next message or by a heartbeat', async () => {
    store.newest.lose();
    store.newest.say('room.3', 4, 'three');
    await settled();
    expect([store.made[0]?.isStopped, told], 'what comes after the gap waits').toEqual([true, []]);
    await later();
    expect(store.made).toHaveLength(2);
    store.newest.say('room.1', 3, 'new', 1);
    store.newest.say('room.3', 4, 'three');
    expect(told).toEqual(['room.1 "new"', 'room.3 "three"', 'room.2 undefined']);
    await store.newest.heartbeat(2);
    expect(store.newest.isStopped).toBe(false);
    await store.newest.heartbeat(3);
    expect(store.newest.isStopped).toBe(true);
    await later();
    expect(store.made).toHaveLength(3);
  });

  it('that stops lets go of its consumer and is not made anew', async () => {
    watch.stop();
    store.newest.say('room.1', 3, 'late');
    await settled();
    await later();
    expect([store.made.length, store.newest.isStopped, told, counts]).toEqual([1, true, [], []]);
  });

  it('stops while it waits to be made anew', async () => {
    await store.newest.status({ type: 'heartbeats_missed', count: 2 });
    watch.stop();
    await later();
    expect(store.made).toHaveLength(1);
  });
});

describe('a list of keys', () => {
  const kvOf = (store: FakeStore): NatsKeyValue =>
    new NatsKeyValue({
      store,
      clock: new VirtualClock(),
      payloadBytes: 1000,
      count: () => {},
      guard: run => run(),
    });

  it('is of those that are there, without their values, and lets go of its consumer', async () => {
    const store = new FakeStore();
    store.pending = 2;
    const keys = kvOf(store).keys('room');
    await settled();
    expect(store.newest.config).toMatchObject({
      filter_subject: '$KV.ROOMBRIDGE.room.>',
      headers_only: true,
    });
    store.newest.say('room.1', 1, undefined, 1);
    store.newest.say('room.=41', 2, '');
    expect(await keys).toEqual(['room.%41']);
    expect(store.newest.isStopped).toBe(true);
  });

  it('is refused when the server falls silent before its end', async () => {
    const store = new FakeStore();
    store.pending = 2;
    const keys = kvOf(store).keys('room');
    const refused = expect(keys).rejects.toBeInstanceOf(errors.TimeoutError);
    await settled();
    store.newest.say('room.1', 1, '', 1);
    await store.newest.status({ type: 'heartbeats_missed', count: 2 });
    await refused;
  });
});
