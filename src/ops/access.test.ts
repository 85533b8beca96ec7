import { randomBytes } from 'node:crypto';
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import type { LegRequest, Who } from '../contract.ts';
import { Refusal } from '../kit/refusal.ts';
import { Access, sameSecret } from './access.ts';
import { adminKey, openDataDir } from './data-dir.ts';
import { Tickets } from './tickets.ts';
import { type App, digestPassword, mintToken } from './tokens.ts';

const NOW = 1_800_000_000_000;
const SOON = NOW / 1000 + 60;
const app: App = { key: 'shop', secrets: ['n'.repeat(32), 'o'.repeat(32)] };
const KEY = 'the-admin-key-of-this-test';

function world(apps: readonly App[] = [app]) {
  const faults: string[] = [];
  const tickets = new Tickets({ random: randomBytes });
  const access = new Access({ apps, adminKey: KEY, tickets, onFault: (g, f) => faults.push(`${g}/${f}`) });
  const ask = (who: Partial<Who>, rest: Partial<LegRequest> = {}) =>
    access.authorize(
      {
        v: 1,
        leg: 'l',
        trace: 't',
        gateway: 'sip',
        direction: 'in',
        room: '1000',
        roles: ['send', 'receive'],
        begin: { type: 'make-offer' },
        ...rest,
        who: { user: 'alice', proof: 'claimed', address: '192.0.2.1', ...who },
      },
      NOW,
    );
  return { access, tickets, faults, ask };
}

async function refusalOf(promise: Promise<unknown>): Promise<Refusal> {
  const error = await promise.then(
    () => undefined,
    e => e,
  );
  expect(error).toBeInstanceOf(Refusal);
  return error as Refusal;
}

const token = (
  claims: Partial<{ room: string; user: string; exp: number; can: string[] }> = {},
  of: App = app,
) => mintToken(of, { room: '1000', user: 'alice', exp: SOON, can: ['publish', 'subscribe'], ...claims });

test('a good token is worth a verified user', async () => {
  const { ask } = world();
  expect(await ask({ credential: await token() })).toMatchObject({
    user: 'alice',
    proof: 'token',
    app: 'shop',
  });
});

test('a bearer token alone says who one is', async () => {
  const { ask } = world();
  expect(await ask({ user: '', credential: await token() })).toMatchObject({ user: 'alice', proof: 'token' });
});

test('the second live secret is as good as the first', async () => {
  const { ask } = world();
  const old = await token({}, { key: 'shop', secrets: [app.secrets[1]!] });
  expect(await ask({ credential: old })).toMatchObject({ proof: 'token' });
});

test('expired, forged, other-room and other-user tokens are refused in the same words', async () => {
  const { ask, faults } = world();
  const good = await token();
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${good.split('.')[1]}.`;
  const bad: [string, string][] = [
    [await token({ exp: NOW / 1000 - 1 }), 'expired'],
    [await token({}, { key: 'shop', secrets: ['z'.repeat(32)] }), 'forged'],
    [await token({}, { key: 'nobody', secrets: app.secrets }), 'forged'],
    [`${good.slice(0, -2)}AA`, 'forged'],
    [none, 'forged'],
    [
      await new SignJWT({ app: 'shop', room: '1000', user: 'alice' })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(Buffer.from(app.secrets[0]!)),
      'forged',
    ],
    [await token({ room: '1001' }), 'other-room'],
    [await token({ user: 'bob' }), 'other-user'],
    ['rubbish', 'malformed'],
    ['x'.repeat(100_000), 'malformed'],
  ];
  const words = new Set<string>();
  for (const [credential] of bad) {
    const { why } = await refusalOf(ask({ credential }));
    words.add(`${why.blame} ${why.reason} ${why.text}`);
  }
  expect([...words]).toEqual([
    'client not-authorized The token is not good for this room and user, or is too old; ask for a new one.',
  ]);
  expect(faults).toEqual(bad.map(([, fault]) => `sip/${fault}`));
});

test('no token at all says that one is needed', async () => {
  const { why } = await refusalOf(world().ask({}));
  expect(why).toEqual({
    blame: 'client',
    reason: 'not-authorized',
    text: 'A token is needed to join this room; ask the app that invites you for one.',
  });
});

test('a token that permits listening only cannot publish', async () => {
  const { ask } = world();
  const credential = await token({ can: ['subscribe'] });
  expect((await refusalOf(ask({ credential }))).why.reason).toBe('not-permitted');
  expect(await ask({ credential }, { roles: ['receive', 'signal'] })).toMatchObject({ can: ['subscribe'] });
});

test('what a front claims as proof counts for nothing without the credential', async () => {
  const { ask } = world();
  expect((await refusalOf(ask({ proof: 'token' }))).why.reason).toBe('not-authorized');
  expect((await refusalOf(ask({ proof: 'ticket' }))).why.reason).toBe('not-authorized');
  expect(await world([]).ask({ proof: 'token' })).toMatchObject({ proof: 'claimed' });
});

test('digest: the password of an unexpired username, by every live secret; the username binds room and user', async () => {
  const { access, ask } = world();
  const name = `${SOON}:1000:alice`;
  expect(access.digestPasswords(name, NOW)).toEqual(app.secrets.map(s => digestPassword(s, name)));
  expect(digestPassword('key', '1:1000:alice')).toBe('KEZMYINskuDK0WeKQO4Ck32gId0P4JWv5u0Dj6JXFkE');
  expect(access.digestPasswords(`${NOW / 1000}:1000:alice`, NOW)).toBeUndefined();
  expect(access.digestPasswords('alice', NOW)).toBeUndefined();
  expect(world([]).access.digestPasswords(name, NOW)).toBeUndefined();

  expect(await ask({ proof: 'digest', credential: name })).toMatchObject({ user: 'alice', proof: 'digest' });
  for (const credential of [`${SOON}:1001:alice`, `${SOON}:1000:bob`, `1:1000:alice`, 'alice'])
    expect((await refusalOf(ask({ proof: 'digest', credential }))).why.reason).toBe('not-authorized');
});

test('in open rooms a claim is enough, and the credential goes on to the room: a PIN or a resume secret', async () => {
  const { access, ask } = world([]);
  expect(access.required).toBe(false);
  expect(await ask({ credential: '1234' })).toMatchObject({ proof: 'claimed', credential: '1234' });
});

test('a ticket is good for its user, room, protocol and direction, until it expires', async () => {
  for (const apps of [[], [app]]) {
    const { tickets, ask, faults } = world(apps);
    const grant = {
      room: '1000',
      user: 'alice',
      protocol: 'rtmp',
      role: 'publish',
      secret: 'resume',
    } as const;
    const { token: credential } = tickets.issue(grant, NOW);
    const publish = { gateway: 'rtmp', roles: ['send'] } as const;
    expect(await ask({ credential }, publish)).toMatchObject({ proof: 'ticket', credential: 'resume' });
    expect(await ask({ credential }, publish)).toMatchObject({ proof: 'ticket' });
    await refusalOf(ask({ credential, user: 'bob' }, publish));
    await refusalOf(ask({ credential }, { ...publish, room: '1001' }));
    await refusalOf(ask({ credential }, { ...publish, roles: ['receive'] }));
    await refusalOf(ask({ credential }, { ...publish, gateway: 'webrtc' }));
    const old = tickets.issue(grant, NOW - 300_000).token;
    await refusalOf(ask({ credential: old }, publish));
    expect(faults).toEqual([
      'rtmp/other-user',
      'rtmp/other-room',
      'rtmp/other-protocol',
      'webrtc/other-protocol',
      'rtmp/expired',
    ]);
  }
});

test('tickets are bounded by user and in all, and leave when they expire', () => {
  const tickets = new Tickets({ random: randomBytes, lifeMs: 1000, max: 3, maxPerUser: 2 });
  const grant = (user: string) => ({ room: '1', user, protocol: 'rtmp', role: 'play' }) as const;
  tickets.issue(grant('a'), 0);
  const second = tickets.issue(grant('a'), 500);
  expect(second.expiresAt).toBe(1500);
  expect(() => tickets.issue(grant('a'), 500)).toThrow('a holds 2 tickets for room 1 already');
  tickets.issue(grant('b'), 500);
  expect(() => tickets.issue(grant('c'), 500)).toThrow('Too many tickets are out');
  expect(tickets.find(second.token, 1499)).toMatchObject({ user: 'a' });
  expect(tickets.find(second.token, 1500)).toBeUndefined();
  expect(tickets.size).toBe(0);
  tickets.issue(grant('a'), 1500);
});

test('a ticket that was used brings its member back after it has expired, and nobody else in', async () => {
  const tickets = new Tickets({ random: randomBytes, lifeMs: 1000 });
  const access = new Access({ apps: [app], adminKey: KEY, tickets });
  const issue = () =>
    tickets.issue({ room: '1000', user: 'alice', protocol: 'rtmp', role: 'publish', secret: 's' }, NOW).token;
  const push = (credential: string, now: number, user = 'alice') => {
    const who: Who = { user, proof: 'claimed', credential };
    const begin = { type: 'make-offer' } as const;
    return access.authorize(
      {
        v: 1,
        leg: 'l',
        trace: 't',
        gateway: 'rtmp',
        direction: 'in',
        room: '1000',
        roles: ['send'],
        begin,
        who,
      },
      now,
    );
  };
  const [used, unused] = [issue(), issue()];
  expect((await push(used, NOW + 999)).returning).toBeUndefined();
  const hours = NOW + 5 * 3_600_000;
  expect(await push(used, hours)).toMatchObject({ proof: 'ticket', credential: 's', returning: true });
  expect((await refusalOf(push(unused, hours))).why.reason).toBe('not-authorized');
  expect((await refusalOf(push(used, hours, 'mallory'))).why.reason).toBe('not-authorized');
  expect((await refusalOf(push(used, NOW + 25 * 3_600_000))).why.reason).toBe('not-authorized');
});

test('wrong credentials are throttled by address; a good one always passes', async () => {
  const { ask } = world();
  const reasons: string[] = [];
  for (let i = 0; i < 12; i++) reasons.push((await refusalOf(ask({ credential: 'x' }))).why.reason);
  expect(reasons.slice(9)).toEqual(['not-authorized', 'too-many-tries', 'too-many-tries']);
  expect(await ask({ credential: await token() })).toMatchObject({ proof: 'token' });
  expect((await refusalOf(ask({ credential: 'x', address: '192.0.2.2' }))).why.reason).toBe('not-authorized');
});

test('the admin key opens the API; guesses lock their address out', () => {
  const { access } = world();
  access.admin(`Bearer ${KEY}`, 'a', NOW);
  access.admin(`bearer  ${KEY}`, 'a', NOW);
  for (const wrong of [undefined, '', 'Bearer', `Basic ${KEY}`, `Bearer ${KEY}x`, `Bearer ${KEY.slice(1)}`])
    expect(() => access.admin(wrong, 'b', NOW)).toThrow('The API needs the header');
  for (let i = 0; i < 11; i++) expect(() => access.admin('Bearer wrong', 'c', NOW)).toThrow('The API needs');
  expect(() => access.admin(`Bearer ${KEY}`, 'c', NOW)).toThrow('Too many wrong credentials');
  access.admin(`Bearer ${KEY}`, 'a', NOW);
  access.admin(`Bearer ${KEY}`, 'c', NOW + 6001);
});

test('secrets of any length compare', () => {
  expect(sameSecret('', '')).toBe(true);
  expect(sameSecret('a', 'ab')).toBe(false);
});

test('the admin key is made once, kept for its owner only, and the configured one wins', async () => {
  const dir = join(mkdtempSync(join(tmpdir(), 'rb-data-')), 'deep', 'er');
  await openDataDir(dir);
  const [first, other] = await Promise.all([adminKey(dir), adminKey(dir)]);
  expect(first.key).toBe(other.key);
  expect(first.key).toMatch(/^[\w-]{32}$/);
  expect(statSync(first.file!).mode & 0o777).toBe(0o600);
  expect((await adminKey(dir)).key).toBe(first.key);
  expect(await adminKey(dir, 'configured')).toEqual({ key: 'configured' });
  writeFileSync(first.file!, 'short');
  expect((await adminKey(dir)).key).toHaveLength(32);
});

test('a data directory that cannot be is refused in words', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'rb-data-')), 'file');
  writeFileSync(file, '');
  const { why } = await refusalOf(openDataDir(join(file, 'sub')));
  expect(why.text).toBe(
    `The data directory ${join(file, 'sub')} cannot be used (ENOTDIR): make it writable, or set dataDir to one that is.`,
  );
});

test('any credential at all is judged without a throw that is not a refusal', async () => {
  const { ask } = world();
  await fc.assert(
    fc.asyncProperty(
      fc.string(),
      fc.constantFrom('claimed', 'digest', 'token' as const),
      async (credential, proof) => {
        await refusalOf(ask({ credential, proof: proof as Who['proof'] }));
      },
    ),
    { numRuns: Number(process.env.FUZZ_RUNS ?? 200) },
  );
});
