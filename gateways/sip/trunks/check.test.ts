import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/io/clock.ts';
import type { Resolver } from '../../../src/io/resolver.ts';
import { keptCertificate } from '../../../src/ops/http/certificate.ts';
import { ownNames } from '../../../src/ops/http/names.ts';
import { type Script, Uas } from '../../../test/harness/sip-uas.ts';
import { sipConfig } from '../config.ts';
import { checkTrunks } from './check.ts';

const noDns: Resolver = { resolve: async () => ({ records: [], ttlS: 0 }) };

const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function uas(script: Script): Promise<Uas> {
  const made = await Uas.open(script);
  ends.push(() => made.close());
  return made;
}

const check = (...trunks: object[]) =>
  checkTrunks(sipConfig.parse({ address: '127.0.0.1', trunks }), systemClock, noDns);

test('each proxy and account is asked, and what is wrong is a sentence that says what to do', async () => {
  const good = await uas(() => [{ status: 200 }]);
  const mute = await uas(() => []);
  const full = await uas(() => [{ status: 503, reason: 'Maintenance' }]);
  const strict = await uas(() => [{ status: 403 }]);
  const pbx = await uas(() => []);
  pbx.script = r => {
    const verdict = pbx.digest.verify(r, 0, n => (n === '100' ? ['right'] : undefined));
    return verdict.ok ? [{ status: 200 }] : [{ status: 401, headers: pbx.digest.challenge(0) }];
  };
  const findings = await check(
    {
      name: 'office',
      outbound: {
        proxies: [
          good.uri,
          mute.uri,
          full.uri,
          strict.uri,
          'sip:gone.example',
          'sip:127.0.0.1:1;transport=tcp',
        ].map(uri => ({ uri })),
      },
      register: {
        registrar: pbx.uri,
        accounts: [{ user: '100', password: 'right' }, { user: '100', password: 'wrong' }, { user: '101' }],
      },
    },
    { name: 'in', inbound: { sources: ['192.0.2.1'] } },
  );
  const texts = findings.map(f => `${f.level}: ${f.text}`);
  const expected = [
    /^ok: trunk office: sip:127.*answers \(200 OK\)\.$/,
    /^error: .*no answer from 127\.0\.0\.1:\d+ udp within 3 s\. Check that it runs/,
    /^error: .*takes no calls \(503 Maintenance\)/,
    /^error: .*does not let us in \(403/,
    /^error: .*gone\.example: the name leads nowhere in DNS/,
    /^error: .*no connection to 127\.0\.0\.1:1 tcp/,
    /^ok: .*account 100 at .*answers \(200 OK\) and takes the password\.$/,
    /^error: .*account 100 .*refuses the password \(401.*Correct its user and password/,
    /^error: .*account 101 .*wants a password/,
    /^ok: trunk in: it only calls in/,
  ];
  expect(texts).toHaveLength(expected.length);
  for (const [i, pattern] of expected.entries()) expect(texts[i]).toMatch(pattern);
  // Asking changes nothing there: no binding is made.
  for (const r of pbx.of('REGISTER')) expect(r.headers.get('contact')).toBeUndefined();
});

test('a TLS proxy with a certificate nobody trusts is told so', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'roombridge-check-'));
  ends.push(() => rmSync(dir, { recursive: true, force: true }));
  const { cert, key } = await keptCertificate(dir, ownNames(undefined), new Date());
  const server = createServer({ cert, key }, socket => socket.on('error', () => {}));
  ends.push(() => void server.close());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const proxies = [{ uri: `sip:127.0.0.1:${port};transport=tls` }];
  const [finding] = await check({ name: 'tls', outbound: { proxies } });
  expect(finding).toMatchObject({
    level: 'error',
    text: expect.stringMatching(/no TLS connection to 127.*sip\.tls\.caFile/),
  });
});

test('without trunks there is nothing to ask', async () => {
  expect(await check()).toMatchObject([{ level: 'ok' }]);
});
