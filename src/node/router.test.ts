import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { LinkWorld, until } from '../../test/harness/link.ts';
import type { ProcessAdvert } from '../agents/advert.ts';
import { systemClock } from '../io/clock.ts';
import { Drops } from '../kit/limits.ts';
import { LinkClient } from '../link/client.ts';
import { asking, audio, mic } from '../link/link.testing.ts';
import { newTag, writeTag } from '../proto/artp/relay/connection-id.ts';
import { relayTicket } from '../proto/artp/relay/ticket.ts';
import { Addresses } from './addresses.ts';
import { RouterNode } from './router.ts';

const SHARED = randomBytes(32);
const TAG = newTag(randomBytes);

/** A room node, an agent's link to it, and a router that both may go by; all on loopback. */
async function world() {
  const drops = new Drops();
  const advert: ProcessAdvert = {
    v: 1,
    process: 'node-1',
    version: '',
    region: 'b',
    fingerprint: '',
    agents: [],
  };
  const processes: ProcessAdvert[] = [];
  const router = new RouterNode({
    config: { router: { address: '127.0.0.1', port: 0 }, externalAddress: undefined },
    process: 'r1',
    region: 'a',
    shared: SHARED,
    processes: () => processes,
    clock: systemClock,
    addresses: new Addresses({ resolve: async () => ({ records: [], ttlS: 0 }) }, systemClock),
    count: reason => drops.count(reason),
  });
  const link = await new LinkWorld(systemClock, {
    tag: TAG,
    routers: (client, server) => {
      const ticket = relayTicket(SHARED, client, server, Date.now());
      return [{ id: 'r1', host: '127.0.0.1', port: router.port, ticket }];
    },
  }).listen();
  processes.push({ ...advert, servers: [{ tag: writeTag(TAG), host: '127.0.0.1', port: link.udpPort }] });
  await router.start();
  const client = new LinkClient({
    process: 'agent-1',
    host: '127.0.0.1',
    tlsPort: link.tlsPort,
    fingerprint: link.node.fingerprint,
    certPem: link.agent.certPem,
    keyPem: link.agent.keyPem,
    clock: systemClock,
    random: randomBytes,
    byRouter: id => id === 'r1',
    count: reason => drops.count(reason),
    onBug: error => void link.bugs.push(error),
  });
  return { router, link, client, drops };
}

describe('a link by a router', () => {
  const open: (() => unknown)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  it('carries media, and goes on straight when the router is gone', async () => {
    const { router, link, client, drops } = await world();
    open.push(
      () => link.close(),
      () => router.close(),
      () => client.close(),
    );
    const room = link.room('1000');
    const port = client.port('1000');
    await port.join(asking('l1'), () => {});
    const { sink } = port.publish('l1', 'l1/0', mic, () => {});
    await until(() => router.bindings === 1);
    const heard = (): number => room.packets.get('l1/0')?.length ?? 0;
    let sent = 0;
    await until(() => {
      sink(audio(sent++), 0);
      return heard() > 100 && router.stats.relayed > 50;
    });
    expect(router.advert()).toMatchObject({ host: '127.0.0.1', port: router.port });
    expect(router.reports()).toEqual([]);
    expect(drops.get('stranger')).toBe(0);

    router.close();
    const before = heard();
    await until(() => {
      if (sent % 64 === 0 || heard() > before) sink(audio(sent), 0);
      sent++;
      return heard() > before + 10;
    });
    expect(link.bugs).toEqual([]);
  });
});
