import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { identity } from '../../test/harness/link.ts';
import { natsKey, natsOperator } from '../../test/harness/nats-keys.ts';
import { type NatsServer, natsMissing, natsServer, startNatsServer } from '../../test/harness/nats-server.ts';
import { freePort } from '../../test/harness/ports.ts';
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
  const folder = mkdtempSync(join(tmpdir(), 'roombridge-nats-config-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  /** Arguments for a server with this config. */
  const configured = async (config: string): Promise<string[]> => {
    const file = join(folder, `${await freePort()}.conf`);
    writeFileSync(file, `${config}\n`);
    return ['-c', file];
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

  it('whose server lost all it kept: old revisions fit nothing, those who watch are told, events go on', async () => {
    const own = await startNatsServer();
    const bus = await natsBus({ ...base, url: own.url, name: 'test' });
    open.push(bus);
    const { kv, events } = bus;
    const told: string[] = [];
    kv.watch('room', (key, entry) => {
      told.push(`${key} ${JSON.stringify(entry?.value)}`);
    });
    const heard: string[] = [];
    events.consume('operator', async e => void heard.push(e.leg ?? ''));
    const until = async (holds: () => boolean): Promise<void> => {
      while (!holds()) await new Promise(done => setTimeout(done, 20));
    };
    const revision = (await kv.create('room.1', 'mine')) as number;
    await until(() => told.length === 1);
    await until(() => {
      events.publish({ type: 'leg.opened', leg: 'before' });
      return heard.includes('before');
    });
    const up = new Promise<void>(done => {
      let was: BusState = 'up';
      bus.onState(s => {
        if (was === 'down' && s === 'up') done();
        was = s;
      });
    });
    await own.kill();
    events.publish({ type: 'leg.closed', leg: 'while away' });
    const again = await startNatsServer(own.port);
    await up;
    expect(await kv.get('room.1')).toBeUndefined();
    await until(() => told.length === 2);
    // Another process makes the key at the very sequence number the old one had.
    const other = await natsBus({ ...base, url: again.url, name: 'other' });
    open.push(other);
    await other.kv.create('room.1', 'theirs');
    expect(await kv.update('room.1', 'mine', revision)).toBeUndefined();
    expect(await kv.delete('room.1', revision)).toBe(false);
    expect((await kv.get('room.1'))?.value).toBe('theirs');
    await until(() => told.length === 3);
    expect(told).toEqual(['room.1 "mine"', 'room.1 undefined', 'room.1 "theirs"']);
    await until(() => heard.includes('while away'));
    await again.kill();
  }, 30_000);

  it('refuses, in words, a server that keeps nothing', async () => {
    const port = await freePort();
    const child = natsServer(port, []);
    await child.until(/Server is ready/);
    const why = await refusal(natsBus({ ...base, url: `nats://127.0.0.1:${port}`, name: 'test' }));
    expect(why).toMatchObject({ blame: 'server', reason: 'no-jetstream' });
    expect(why.text).toContain('-js');
    await child.stop('SIGKILL');
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

  it.each([
    { as: 'user and password', flags: ['--user', 'me', '--pass', 'p:ss'], credentials: 'me:p:ss' },
    { as: 'a token', flags: ['--auth', 't0ken'], credentials: 't0ken\n' },
  ])(
    'logs in with $as from the config, and says in words when they are wrong',
    async ({ flags, credentials }) => {
      const own = await startNatsServer(undefined, flags);
      const bus = await natsBus({ ...base, url: own.url, name: 'test', credentials });
      open.push(bus);
      await settle(bus);
      for (const wrong of [`${credentials.trim()}x`, undefined]) {
        const given = {
          ...base,
          url: own.url,
          name: 'test',
          ...(wrong !== undefined && { credentials: wrong }),
        };
        const why = await refusal(natsBus({ ...given, connectTimeoutMs: 1000 }));
        expect(why).toMatchObject({ reason: 'bus-unreachable' });
        expect(why.text).toMatch(/authorization/i);
        expect(why.text).not.toContain(credentials.trim());
      }
      await bus.close();
      await own.kill();
    },
  );

  describe('of an operator', () => {
    const operator = natsOperator();
    const others = natsOperator();
    let own: NatsServer;
    beforeAll(async () => {
      own = await startNatsServer(undefined, await configured(operator.config));
    });
    afterAll(() => own.kill());
    const enter = (credentials: string): Promise<Bus> =>
      natsBus({ ...base, url: own.url, name: 'test', credentials, connectTimeoutMs: 1000 });

    it('logs in with a .creds file, as it is and as a secret read from a file', async () => {
      for (const credentials of [operator.creds(), operator.creds().trim()]) {
        const bus = await enter(credentials);
        open.push(bus);
        await settle(bus);
        expect(await bus.kv.create(`creds.${open.length}`, 1)).toBeDefined();
      }
    });

    it.each([
      { what: 'of another operator', credentials: others.creds(), says: /set bus\.credentials/ },
      { what: 'no longer valid', credentials: operator.creds('keeps', 1000), says: /set bus\.credentials/ },
      { what: 'cut off', credentials: operator.creds().slice(0, 100), says: /whole text of a \.creds file/ },
    ])('says in words that credentials are $what', async ({ credentials, says }) => {
      const why = await refusal(enter(credentials));
      expect(why).toMatchObject({ blame: 'server', reason: 'bus-unreachable' });
      expect(why.text).toMatch(says);
    });

    it('says in words that the account may keep nothing', async () => {
      const why = await refusal(enter(operator.creds('keeps nothing')));
      expect(why).toMatchObject({ reason: 'no-jetstream', text: expect.stringContaining('account') });
    });
  });

  it('logs in with an nkey', async () => {
    const user = natsKey('user');
    const own = await startNatsServer(
      undefined,
      await configured(`authorization: { users: [ { nkey: ${user.public} } ] }`),
    );
    const bus = await natsBus({ ...base, url: own.url, name: 'test', credentials: `${user.seed}\n` });
    open.push(bus);
    await settle(bus);
    const other = { ...base, url: own.url, name: 'test', credentials: natsKey('user').seed };
    expect(await refusal(natsBus(other))).toMatchObject({ reason: 'bus-unreachable' });
    await bus.close();
    await own.kill();
  });

  it.each([
    {
      what: 'has no room',
      config: 'jetstream: { max_file_store: 10MB }',
      refused: { reason: 'bus-full', text: expect.stringContaining('max_file_store') },
    },
    {
      what: 'forbids what is needed',
      config:
        'authorization: { users: [ { user: a, password: b, permissions: { publish: ["roombridge.>"] } } ] }',
      credentials: 'a:b',
      refused: {
        reason: 'bus-forbidden',
        text: expect.stringContaining('$JS.API.STREAM.INFO.KV_ROOMBRIDGE'),
      },
    },
    {
      what: 'is alone, where three should keep everything',
      config: '',
      replicas: 3,
      refused: { reason: 'few-servers', text: expect.stringContaining('bus.replicas') },
    },
  ])('refuses, in words, a server that $what', async ({ config, refused, credentials, replicas }) => {
    const own = await startNatsServer(undefined, await configured(config));
    const given = { ...base, url: own.url, name: 'test' };
    const more = {
      ...(credentials !== undefined && { credentials }),
      ...(replicas !== undefined && { replicas }),
    };
    expect(await refusal(natsBus({ ...given, ...more }))).toMatchObject(refused);
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
    expect(await refusal(other)).toMatchObject({
      reason: 'bus-unreachable',
      text: expect.stringContaining('bus.caFile'),
    });
    const plain = await startNatsServer();
    const secure = { url: `tls://localhost:${plain.port}`, tls: { ca: certPem } };
    expect(await refusal(natsBus({ ...base, ...secure, name: 'test' }))).toMatchObject({
      text: expect.stringContaining('does not speak TLS'),
    });
    await bus.close();
    await own.kill();
    await plain.kill();
    rmSync(folder, { recursive: true });
  });
});
