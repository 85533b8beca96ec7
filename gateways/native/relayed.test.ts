import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { ProcessAdvert } from '../../src/agents/advert.ts';
import type { Host } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { Addresses } from '../../src/node/addresses.ts';
import { RouterNode } from '../../src/node/router.ts';
import { writeTag } from '../../src/proto/artp/relay/connection-id.ts';
import { relayTicket } from '../../src/proto/artp/relay/ticket.ts';
import { ArtpRelay, portsOf } from '../../test/harness/artp-relay.ts';
import { eventually, World } from './world.testing.ts';

const SHARED = randomBytes(32);

describe('a member by a router', () => {
  const open: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  it('is heard by it alone, when nothing else passes', async () => {
    const processes: ProcessAdvert[] = [];
    const drops: string[] = [];
    const router = new RouterNode({
      config: { router: { address: '127.0.0.1', port: 0 }, externalAddress: undefined },
      process: 'r1',
      region: 'a',
      shared: SHARED,
      processes: () => processes,
      clock: systemClock,
      addresses: new Addresses({ resolve: async () => ({ records: [], ttlS: 0 }) }, systemClock),
      count: reason => void drops.push(reason),
    });
    const relay: Host['relay'] = {
      serve: (tag, host, port) =>
        processes.push({
          v: 1,
          process: 'agent',
          version: '',
          region: 'b',
          fingerprint: '',
          agents: [],
          servers: [{ tag: writeTag(tag), host, port }],
        }),
      offers: (client, server) => {
        const ticket = relayTicket(SHARED, client, server, Date.now());
        return [{ id: 'r1', host: '127.0.0.1', port: router.port, ticket }];
      },
    };
    const world = await World.open({}, { relay });
    await router.start();
    const straight = await ArtpRelay.open(portsOf(world.url));
    const { member } = await world.join({ url: straight.url('1000') });
    open.push(
      () => router.close(),
      () => straight.close(),
      () => world.close(),
    );
    const by = () => member.paths().find(p => p.route.via === 'r1');
    await eventually(() => expect(by()?.state).toBe('ready'));
    expect(router.bindings).toBe(1);

    straight.loses = () => true;
    straight.streams(false);
    await eventually(() => expect(by()?.active).toBe(true));
    member.text('this way').catch(() => {}); // its answer comes when it comes
    await eventually(() => expect(world.texts.length).toBe(1));
    expect(member.state).toBe('active');
    expect(drops).not.toContain('no-connection');
  });
});
