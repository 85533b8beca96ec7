import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { Front, LegCommand, LegRequest, TrunkState } from '../../../src/contract.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { drive } from '../../../src/io/drive.ts';
import { openFlows } from '../../../src/io/flows.ts';
import { SipEndpoint } from '../../../src/proto/sip/endpoint.ts';
import type { DialOptions, SipInput } from '../../../src/proto/sip/events.ts';
import { EndpointSignalling } from '../../../src/proto/sip/signalling.ts';
import { fakeHost } from '../../../test/harness/fakes.ts';
import { type Script, UAS_SDP, Uas } from '../../../test/harness/sip-uas.ts';
import { sipConfig } from '../config.ts';
import { createSipFront } from '../front.ts';
import { sipNative } from '../native.ts';

const soon = (there: () => boolean): Promise<unknown> =>
  vi.waitUntil(there, { timeout: 10_000, interval: 5 });

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function uas(script: Script): Promise<Uas> {
  const made = await Uas.open(script);
  ends.push(() => made.close());
  return made;
}

async function world(config: object, authRequired = false) {
  const requests: LegRequest[] = [];
  const host = fakeHost({
    authRequired,
    async place(request, on) {
      requests.push(request);
      on({ type: 'description', id: 0, native: sipNative(UAS_SDP) });
      const send = (_: LegCommand): void => {};
      return { id: request.leg, agent: 'a', participant: 'p', secret: 's', send };
    },
  });
  const c = sipConfig.parse({ address: '127.0.0.1', port: 0, tls: { enabled: false }, ...config });
  const front: Front = createSipFront(host, c);
  const [address] = await front.start();
  ends.push(() => front.close({ blame: 'server', reason: 'shutting-down' }));
  const port = Number(/:(\d+)$/.exec(address?.url ?? '')?.[1]);
  const trunk = (): TrunkState => front.trunks!()[0]!;
  return { front, port, requests, trunk };
}

/** Calls the front; resolves with the final status of the INVITE. */
async function call(o: DialOptions): Promise<number> {
  const flows = await openFlows({ address: '127.0.0.1', port: 0, tcp: false, setting: 'test' }, systemClock, {
    datagram: (flow, bytes) => run.feed({ type: 'datagram', flow, bytes }),
    chunk: () => {},
    closed: () => {},
    junk: () => {},
  });
  const endpoint = new SipEndpoint({
    random: randomBytes,
    local: () => ({ host: '127.0.0.1', port: flows.port }),
    name: 'test',
  });
  const signalling = new EndpointSignalling(input => run.feed(input), {
    send: (flow, bytes) => flows.send(flow, bytes),
    hangUp: () => {},
    incoming: () => () => {},
    count: () => {},
    bug: (_, error) => expect(error).toBeUndefined(),
  });
  const run = drive<SipInput, Parameters<typeof signalling.act>[0]>(endpoint, systemClock, out =>
    signalling.act(out),
  );
  ends.push(() => {
    run.stop();
    return flows.close();
  });
  return new Promise(done => {
    signalling.dial({ sdp: UAS_SDP, ...o }, e => {
      if (e.type === 'answered') done(200);
      else if (e.type === 'failed') done(e.status);
    });
  });
}

describe('calls from a trunk', () => {
  const inbound = (more: object) => ({
    trunks: [{ name: 'office', inbound: { sources: ['127.0.0.0/8'], ...more } }],
  });

  test('its numbers become rooms, its callers need no token', async () => {
    const w = await world(inbound({ numbers: [{ match: '\\+4930123(\\d{2})', to: '10$1' }] }), true);
    const headers = [['P-Asserted-Identity', '"Bob" <sip:+4940999@pbx>']] as const;
    expect(await call({ to: `sip:+493012345@127.0.0.1:${w.port}`, user: 'anonymous', headers })).toBe(200);
    expect(w.requests[0]).toMatchObject({
      room: '1045',
      who: { user: '+4940999', display: 'Bob', proof: 'trunk' },
    });
    expect(await call({ to: `sip:999@127.0.0.1:${w.port}`, user: 'x' })).toBe(404);
  });
  test('numbers of its country are understood; a room for the rest', async () => {
    const config = inbound({ numbers: [{ match: '\\+4930123(\\d{2})', to: '10$1' }], room: 'lobby' });
    Object.assign(config.trunks[0]!, { numberPlan: { countryCode: '49' } });
    const w = await world(config);
    await call({ to: `sip:03012345@127.0.0.1:${w.port}`, user: 'x' });
    await call({ to: `sip:999@127.0.0.1:${w.port}`, user: 'x' });
    expect(w.requests.map(r => r.room)).toEqual(['1045', 'lobby']);
  });
  test('by Diversion, if it is said so', async () => {
    const w = await world(inbound({ number: 'diversion', numbers: [{ match: '\\d+' }] }));
    const headers = [['Diversion', '<sip:4711@pbx>;reason=unconditional']] as const;
    await call({ to: `sip:1@127.0.0.1:${w.port}`, user: 'x', headers });
    expect(w.requests[0]?.room).toBe('4711');
  });
  test('by digest, from anywhere: challenged for its numbers; a stranger stays one', async () => {
    const w = await world({
      trunks: [
        {
          name: 'far',
          inbound: { username: 'far', password: 'right', numbers: [{ match: '\\+49\\d+', to: '1000' }] },
        },
      ],
    });
    const to = `sip:+4930123@127.0.0.1:${w.port}`;
    expect(await call({ to, user: 'x', credentials: { username: 'far', password: 'right' } })).toBe(200);
    expect(w.requests[0]).toMatchObject({ room: '1000', who: { proof: 'trunk' } });
    expect(await call({ to, user: 'x', credentials: { username: 'far', password: 'wrong' } })).toBe(403);
    expect(await call({ to: `sip:2000@127.0.0.1:${w.port}`, user: 'x' })).toBe(200);
    expect(w.requests[1]).toMatchObject({ room: '2000', who: { proof: 'claimed' } });
  });
});

/** A registrar that wants a password. */
async function registrar(password: string): Promise<Uas> {
  const pbx = await uas(() => []);
  pbx.script = r => {
    if (r.method !== 'REGISTER') return r.method === 'ACK' ? [] : [{ status: 200 }];
    const verdict = pbx.digest.verify(r, 0, n => (n === '100' ? [password] : undefined));
    if (!verdict.ok) return [{ status: 401, headers: pbx.digest.challenge(0) }];
    const contact = r.headers.get('contact') ?? '';
    return [{ status: 200, headers: [['Contact', `${contact};expires=${r.headers.get('expires')}`]] }];
  };
  return pbx;
}

describe('accounts', () => {
  const config = (pbx: Uas, password: string) => ({
    trunks: [
      {
        name: 'office',
        register: { registrar: pbx.uri, accounts: [{ user: '100', password, room: 'sales' }] },
      },
    ],
  });

  test('are registered, take calls to their contact, and are taken back at the end', async () => {
    const pbx = await registrar('secret');
    const w = await world(config(pbx, 'secret'));
    await soon(() => w.trunk().accounts[0]?.state === 'up');
    expect(w.trunk()).toMatchObject({
      state: 'up',
      text: '1 of 1 accounts are registered.',
      accounts: [{ name: '100', status: 200, text: 'Registered for 600 s.' }],
    });
    const contact = /<(sip:[^>]+)>/.exec(pbx.of('REGISTER').at(-1)?.headers.get('contact') ?? '')?.[1] ?? '';
    expect(contact).toMatch(/^sip:100-[0-9a-f]{12}@/);
    expect(await call({ to: contact, user: 'bob' })).toBe(200);
    expect(w.requests[0]).toMatchObject({ room: 'sales', who: { user: 'bob', proof: 'trunk' } });
    await w.front.close({ blame: 'server', reason: 'shutting-down' });
    expect(pbx.of('REGISTER').at(-1)?.headers.get('expires')).toBe('0');
  });
  test('a wrong password is told in a sentence', async () => {
    const pbx = await registrar('secret');
    const w = await world(config(pbx, 'guess'));
    await soon(() => w.trunk().accounts[0]?.status !== undefined); // down it is before it was tried
    expect(w.trunk().state).toBe('down');
    expect(w.trunk().accounts[0]).toMatchObject({
      status: 401,
      text: expect.stringContaining('refused user name or password'),
    });
    expect(pbx.of('REGISTER')).toHaveLength(2);
  });
});

describe('health', () => {
  test('a silent proxy is down, and up when it answers again', async () => {
    const pbx = await uas(() => []);
    const w = await world({
      trunks: [
        { name: 'office', health: { everyS: 0.1, downAfter: 1 }, outbound: { proxies: [{ uri: pbx.uri }] } },
      ],
      dialOut: { tryNextAfterS: 0.5 },
    });
    await soon(() => w.trunk().state === 'down');
    expect(w.trunk().proxies[0]).toMatchObject({
      status: 408,
      text: expect.stringContaining('does not answer'),
    });
    pbx.script = () => [{ status: 200 }];
    await soon(() => w.trunk().state === 'up');
    expect(w.trunk().text).toBe('1 of 1 proxies answer.');
  });
});
