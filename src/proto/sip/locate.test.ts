import { describe, expect, test } from 'vitest';
import { type DnsRecord, type LocateOptions, locate, orderSrv, type Target } from './locate.ts';
import { Locator, type LocatorOut } from './locator.ts';
import { parseUri } from './uri.ts';

type Zone = Readonly<Record<string, readonly DnsRecord[]>>;

const options: LocateOptions = { transports: ['udp', 'tcp', 'tls'], families: [4], random: () => 0 };

/** Runs a search against a zone; also what it asked. */
function search(uri: string, zone: Zone, o = options): { targets: readonly Target[]; asked: string[] } {
  const steps = locate(parseUri(uri)!, o);
  const asked: string[] = [];
  for (let at = steps.next(); ; ) {
    if (at.done) return { targets: at.value, asked };
    const key = `${at.value.kind} ${at.value.name}`;
    asked.push(key);
    at = steps.next(zone[key] ?? []);
  }
}
const where = (uri: string, zone: Zone, o?: LocateOptions): string[] =>
  search(uri, zone, o).targets.map(t => `${t.transport} ${t.address}:${t.port}`);

const a = (...addresses: string[]): DnsRecord[] => addresses.map(address => ({ address }));
const srv = (name: string, port: number, priority = 0, weight = 0): DnsRecord => ({
  name,
  port,
  priority,
  weight,
});

describe('numeric addresses and ports: no NAPTR, no SRV', () => {
  test.each([
    ['sip:bob@192.0.2.1', ['udp 192.0.2.1:5060']],
    ['sip:bob@192.0.2.1:5070;transport=tcp', ['tcp 192.0.2.1:5070']],
    ['sips:bob@192.0.2.1', ['tls 192.0.2.1:5061']],
    ['sip:bob@192.0.2.1;transport=tls', ['tls 192.0.2.1:5061']],
    ['sip:bob@[2001:db8::1]:5080', ['udp 2001:db8::1:5080']],
    ['sip:bob@h.example:5070', ['udp 192.0.2.7:5070']],
    ['sips:bob@h.example:5070', ['tls 192.0.2.7:5070']],
  ])('%s', (uri, expected) => expect(where(uri, { 'a h.example': a('192.0.2.7') })).toEqual(expected));
});

describe('names', () => {
  const zone: Zone = {
    'naptr example.org': [
      { order: 20, preference: 1, flags: 's', service: 'SIP+D2U', name: '_sip._udp.example.org' },
      { order: 10, preference: 2, flags: 'S', service: 'sip+d2t', name: '_sip._tcp.example.org' },
      { order: 5, preference: 2, flags: 's', service: 'SIP+D2S', name: '_sip._sctp.example.org' },
      { order: 10, preference: 1, flags: 's', service: 'SIPS+D2T', name: '_sips._tcp.example.org' },
    ],
    'srv _sip._udp.example.org': [srv('u.example.org', 5062)],
    'srv _sip._tcp.example.org': [srv('second.example.org', 5064, 20), srv('first.example.org', 5063, 10)],
    'srv _sips._tcp.example.org': [srv('t.example.org', 5065)],
    'a u.example.org': a('192.0.2.1'),
    'a first.example.org': a('192.0.2.2', '192.0.2.3'),
    'a second.example.org': a('192.0.2.4'),
    'a t.example.org': a('192.0.2.5'),
  };
  test('NAPTR by order and preference, of what we can do; SRV by priority; every address', () =>
    expect(where('sip:bob@example.org', zone)).toEqual([
      'tls 192.0.2.5:5065',
      'tcp 192.0.2.2:5063',
      'tcp 192.0.2.3:5063',
      'tcp 192.0.2.4:5064',
      'udp 192.0.2.1:5062',
    ]));
  test('sips takes TLS alone', () =>
    expect(where('sips:bob@example.org', zone)).toEqual(['tls 192.0.2.5:5065']));
  test('the certificate is to name the domain, not the SRV target', () =>
    expect(search('sips:bob@example.org', zone).targets[0]?.host).toBe('example.org'));
  test(';transport goes to its SRV at once', () => {
    const { asked } = search('sip:bob@example.org;transport=udp', zone);
    expect(asked).toEqual(['srv _sip._udp.example.org', 'a u.example.org']);
  });
  test('without NAPTR, SRV of what we can do in our order', () => {
    const { 'naptr example.org': _, ...rest } = zone;
    expect(where('sip:bob@example.org', rest, { ...options, transports: ['tcp', 'udp'] })).toEqual([
      'tcp 192.0.2.2:5063',
      'tcp 192.0.2.3:5063',
      'tcp 192.0.2.4:5064',
      'udp 192.0.2.1:5062',
    ]);
  });
  test('without SRV, the addresses of the name at the default port, IPv6 too if we have it', () => {
    const plain: Zone = { 'a h.example': a('192.0.2.9'), 'aaaa h.example': a('2001:db8::9') };
    expect(where('sip:h.example', plain, { ...options, families: [6, 4] })).toEqual([
      'udp 2001:db8::9:5060',
      'udp 192.0.2.9:5060',
    ]);
    expect(where('sips:h.example', plain)).toEqual(['tls 192.0.2.9:5061']);
  });
  test('an SRV target of "." is no service; a name that is not there leads nowhere', () => {
    expect(where('sip:bob@no.example', { 'srv _sip._udp.no.example': [srv('.', 0)] })).toEqual([]);
    expect(where('sip:bob@nowhere.example', {})).toEqual([]);
  });
  test('a transport we have not leads nowhere', () =>
    expect(where('sip:bob@192.0.2.1;transport=tls', {}, { ...options, transports: ['udp'] })).toEqual([]));
});

describe('RFC 2782 weights', () => {
  const records = [srv('a', 1, 1, 0), srv('b', 1, 1, 3), srv('c', 1, 1, 1), srv('d', 1, 0, 0)];
  test('priority first, and every record once', () => {
    const order = orderSrv(records, () => 0.99).map(r => r.name);
    expect(order[0]).toBe('d');
    expect([...order].sort()).toEqual(['a', 'b', 'c', 'd']);
  });
  test('the share of first places is that of the weights', () => {
    let seed = 1;
    const random = (): number => (seed = (seed * 48271) % 2147483647) / 2147483647;
    const firsts = new Map<string, number>();
    for (let i = 0; i < 5000; i++) {
      const [first] = orderSrv(records.slice(0, 3), random);
      firsts.set(first!.name!, (firsts.get(first!.name!) ?? 0) + 1);
    }
    // Drawn from 0…4 inclusive: 0 is a (and its one chance in five), 1…3 b, 4 c.
    expect(firsts.get('a')! / 5000).toBeCloseTo(0.2, 1);
    expect(firsts.get('b')! / 5000).toBeCloseTo(0.6, 1);
    expect(firsts.get('c')! / 5000).toBeCloseTo(0.2, 1);
  });
});

describe('the locator', () => {
  const drain = (l: Locator): LocatorOut[] => {
    const all: LocatorOut[] = [];
    for (let out = l.poll(); out !== undefined; out = l.poll()) all.push(out);
    return all;
  };
  const question = { kind: 'a', name: 'h.example' } as const;
  const uri = 'sip:h.example:5060';

  test('asks once for two, and then not until the answer is out of date', () => {
    const l = new Locator(options, 30_000);
    l.handle({ type: 'locate', id: 1, uri }, 0);
    l.handle({ type: 'locate', id: 2, uri }, 0);
    expect(drain(l)).toEqual([{ type: 'ask', question }]);
    l.handle({ type: 'answer', question, records: a('192.0.2.1'), ttlS: 60 }, 10);
    expect(drain(l)).toMatchObject([
      { type: 'located', id: 1, targets: [{ address: '192.0.2.1' }] },
      { type: 'located', id: 2, targets: [{ address: '192.0.2.1' }] },
    ]);
    l.handle({ type: 'locate', id: 3, uri }, 60_000);
    expect(drain(l)).toMatchObject([{ type: 'located', id: 3 }]);
    l.handle({ type: 'locate', id: 4, uri }, 60_011);
    expect(drain(l)).toEqual([{ type: 'ask', question }]);
  });
  test('a TTL of 0 or of a week is taken for what is sensible', () => {
    const l = new Locator(options, 30_000);
    l.handle({ type: 'answer', question, records: a('192.0.2.1'), ttlS: 0 }, 0);
    l.handle({ type: 'locate', id: 1, uri }, 4999);
    expect(drain(l)).toMatchObject([{ type: 'located' }]);
    l.handle({ type: 'answer', question, records: a('192.0.2.1'), ttlS: 1e9 }, 0);
    l.handle({ type: 'locate', id: 2, uri }, 3_600_000);
    expect(drain(l)).toMatchObject([{ type: 'ask' }]);
  });
  test('who failed is tried last for a while', () => {
    const l = new Locator(options, 30_000);
    l.handle({ type: 'answer', question, records: a('192.0.2.1', '192.0.2.2'), ttlS: 3600 }, 0);
    const order = (now: number): string[] => {
      l.handle({ type: 'locate', id: 1, uri }, now);
      const [out] = drain(l);
      return out?.type === 'located' ? out.targets.map(t => t.address) : [];
    };
    const [first] = [{ transport: 'udp', address: '192.0.2.1', port: 5060, host: 'h.example' } as const];
    l.handle({ type: 'penalty', target: first }, 0);
    expect(order(1000)).toEqual(['192.0.2.2', '192.0.2.1']);
    expect(order(30_000)).toEqual(['192.0.2.1', '192.0.2.2']);
    l.handle({ type: 'penalty', target: first }, 30_000);
    l.handle({ type: 'pardon', target: first }, 30_001);
    expect(order(30_002)).toEqual(['192.0.2.1', '192.0.2.2']);
  });
  test('nonsense leads nowhere', () => {
    const l = new Locator(options, 30_000);
    l.handle({ type: 'locate', id: 1, uri: 'mailto:x' }, 0);
    expect(drain(l)).toEqual([{ type: 'located', id: 1, targets: [] }]);
  });
});
