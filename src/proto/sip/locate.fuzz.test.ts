import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DnsRecord, locate } from './locate.ts';
import { applyRules, toE164 } from './number-rules.ts';
import { Registration } from './registration.ts';
import { parseUri } from './uri.ts';

const numRuns = Number(process.env.FUZZ_RUNS ?? 200);

const name = fc.constantFrom(
  'a.example',
  'b.example',
  '192.0.2.1',
  '2001:db8::1',
  '.',
  '',
  '_sip._udp.a.example',
);
const number = fc.integer({ min: -1, max: 70_000 });
const record: fc.Arbitrary<DnsRecord> = fc.record(
  {
    address: name,
    name,
    port: number,
    priority: number,
    weight: number,
    order: number,
    preference: number,
    service: fc.constantFrom('SIP+D2U', 'sips+d2t', 'x', ''),
    flags: fc.constantFrom('s', 'a', ''),
  },
  { requiredKeys: [] },
);
const uri = fc.constantFrom(
  'sip:a.example',
  'sips:b@a.example',
  'sip:a.example:5070',
  'sip:[2001:db8::1];transport=tcp',
);

test('whatever DNS says, the search ends with a bounded list', () => {
  fc.assert(
    fc.property(
      uri,
      fc.array(fc.array(record, { maxLength: 40 }), { maxLength: 60 }),
      fc.nat(),
      (text, said, seed) => {
        const random = (): number => ((seed * 48271) % 2147483647) / 2147483647;
        const o = { transports: ['udp', 'tcp', 'tls'] as const, families: [6, 4] as const, random };
        const steps = locate(parseUri(text)!, o);
        let asked = 0;
        for (let at = steps.next(); ; at = steps.next(said[asked++ % Math.max(1, said.length)] ?? [])) {
          if (at.done) {
            expect(at.value.length).toBeLessThanOrEqual(32);
            return;
          }
          expect(asked).toBeLessThan(500);
        }
      },
    ),
    { numRuns },
  );
});

test('no answers make an account register without pause', () => {
  const answer = fc.constantFrom(200, 401, 403, 404, 407, 408, 423, 500, 503, 600);
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 200 }), statuses => {
      const r = new Registration({
        registrar: 'sip:h',
        aor: 'sip:a@h',
        contact: 'a',
        credentials: { username: 'a', password: 'b' },
        expiresS: 60,
        random: n => Buffer.alloc(n),
      });
      let now = 0;
      let sent = 0;
      r.handle({ type: 'start' }, now);
      for (const status of statuses) {
        for (let out = r.poll(); out !== undefined; out = r.poll()) if (out.type === 'register') sent++;
        if (r.state === 'trying') r.handle({ type: 'answer', status, response: undefined }, now);
        else {
          expect(r.deadline).toBeLessThan(Number.POSITIVE_INFINITY);
          now = Math.max(now, r.deadline);
          r.handle({ type: 'tick' }, now);
        }
      }
      // At the least 15 s lie between two, whatever was said.
      expect(sent).toBeLessThanOrEqual(2 + now / 15_000);
    }),
    { numRuns },
  );
});

test('numbers and rules never throw', () => {
  const plan = { countryCode: '49', internationalPrefix: '00', nationalPrefix: '0' };
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (text, match, to) => {
      toE164(text, plan);
      applyRules(text, [{ match, to }]);
    }),
    { numRuns },
  );
});
