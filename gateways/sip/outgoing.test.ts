import { afterEach, describe, expect, test, vi } from 'vitest';
import type {
  Dialled,
  DialRequest,
  DialStep,
  Front,
  LadderStep,
  LegCommand,
  LegEvent,
  LegRequest,
} from '../../src/contract.ts';
import type { Resolver } from '../../src/io/resolver.ts';
import { fakeHost } from '../../test/harness/fakes.ts';
import { answers, refuses, rings, type Script, silent, UAS_SDP, Uas } from '../../test/harness/sip-uas.ts';
import { sipConfig } from './config.ts';
import { createSipFront } from './front.ts';
import { sipNative } from './native.ts';

const OFFER =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\n';
const soon = (there: () => boolean): Promise<unknown> =>
  vi.waitUntil(there, { timeout: 10_000, interval: 5 });

/** No DNS: names are known from a list. */
const resolver = (names: Record<string, string>): Resolver => ({
  resolve: async (kind, name) => ({
    records: kind === 'a' && names[name] ? [{ address: names[name] as string }] : [],
    ttlS: 60,
  }),
});

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function uas(script: Script): Promise<Uas> {
  const made = await Uas.open(script);
  ends.push(() => made.close());
  return made;
}

/** A front with a platform behind it that places every leg at once. */
async function world(config: object, names: Record<string, string> = {}) {
  const requests: LegRequest[] = [];
  const commands: LegCommand[] = [];
  const ladder: LadderStep[] = [];
  const steps: DialStep[] = [];
  let tell: (e: LegEvent) => void = () => {};
  const host = fakeHost({
    ladder: (_, step) => void ladder.push(step),
    async place(request, on) {
      requests.push(request);
      tell = on;
      on({ type: 'description', id: 0, native: sipNative(OFFER) });
      // What it leaves for a successor is no business of these tests.
      const send = (c: LegCommand): void => void (c.type !== 'will' && commands.push(c));
      return { id: request.leg, agent: 'a', participant: 'p', secret: 's', send };
    },
  });
  const c = sipConfig.parse({ address: '127.0.0.1', port: 0, tls: { enabled: false }, ...config });
  const front: Front = createSipFront(host, c, resolver(names));
  await front.start();
  ends.push(() => front.close({ blame: 'server', reason: 'shutting-down' }));
  const dial = (to: string, more: Partial<DialRequest> = {}): Promise<Dialled> =>
    front.dial!({ call: 'c1', room: '1000', to, ...more }, s => void steps.push(s));
  const ended = async (): Promise<DialStep> => {
    await soon(() => steps.at(-1)?.state === 'ended');
    return steps.at(-1)!;
  };
  const statuses = (): (number | undefined)[] => steps.map(s => s.status).filter(s => s !== undefined);
  return {
    front,
    host,
    requests,
    commands,
    ladder,
    steps,
    dial,
    ended,
    statuses,
    tell: (e: LegEvent) => tell(e),
  };
}
const of = (commands: readonly LegCommand[], type: LegCommand['type']): LegCommand[] =>
  commands.filter(c => c.type === type);

const trunkTo = (...proxies: (Uas | string)[]) => ({
  trunks: [
    {
      name: 'office',
      health: { everyS: 0 },
      outbound: { proxies: proxies.map((p, i) => ({ uri: typeof p === 'string' ? p : p.uri, priority: i })) },
    },
  ],
  dialOut: { tryNextAfterS: 0.5 },
});

describe('a call out', () => {
  test('rings, is answered, confirmed, and hung up by us', async () => {
    const phone = await uas(answers);
    const w = await world(trunkTo(phone));
    const call = await w.dial('+4930123', { display: 'Anna' });
    await soon(() => w.steps.at(-1)?.state === 'up');
    expect(w.statuses()).toEqual([180, 200]);
    expect(w.requests[0]).toMatchObject({
      direction: 'out',
      room: '1000',
      who: { user: '+4930123', display: 'Anna', proof: 'trunk', address: '127.0.0.1' },
      begin: { type: 'make-offer', native: { srtp: 'optional' } },
    });
    await soon(() => of(w.commands, 'confirmed').length === 1);
    expect(w.commands).toMatchObject([
      { type: 'answer', id: 0, native: { sdp: UAS_SDP } },
      { type: 'confirmed' },
    ]);
    const [invite] = phone.of('INVITE');
    expect(invite?.uri.raw).toBe(`sip:+4930123@127.0.0.1:${phone.port}`);
    await soon(() => phone.of('ACK').length === 1);
    call.cancel({ blame: 'none', reason: 'withdrawn-by-host', text: 'The host has ended this call.' });
    expect(await w.ended()).toMatchObject({ text: 'The host has ended this call.' });
    await soon(() => phone.of('BYE').length === 1);
    expect(of(w.commands, 'close')).toHaveLength(1);
    // Every step is on the leg's ladder, between the messages.
    const summaries = w.ladder.map(s => s.summary).join('\n');
    for (const line of [/INVITE sip:\+4930123/, /180 Ringing/, /It rings/, /200 OK/, /ACK sip/])
      expect(summaries).toMatch(line);
    await soon(() => w.ladder.some(s => s.summary.startsWith('BYE')));
  });

  test.each([
    [486, 'busy'],
    [603, 'declined'],
    [404, 'no such number'],
    [480, 'nobody answered'],
    [488, 'none of the media'],
    [401, 'asks for a password'],
  ])('%d is told in a sentence', async (status, words) => {
    const phone = await uas(refuses({ status }));
    const w = await world(trunkTo(phone));
    await w.dial('+4930123');
    const last = await w.ended();
    expect(last.status).toBe(status);
    expect(last.text).toContain(words);
    expect(of(w.commands, 'close')).toHaveLength(1);
    await soon(() => phone.of('ACK').length === 1);
  });

  test('what the other side says of it is passed on', async () => {
    const phone = await uas(
      refuses({ status: 403, headers: [['Warning', '399 pbx "Barred by class of service"']] }),
    );
    const w = await world(trunkTo(phone));
    await w.dial('+4930123');
    expect((await w.ended()).text).toContain('It says: Barred by class of service.');
  });

  test('nobody answers: CANCEL, 408', async () => {
    const phone = await uas(rings);
    const w = await world(trunkTo(phone));
    await w.dial('+4930123', { timeoutMs: 300 });
    expect(await w.ended()).toMatchObject({ status: 408, text: expect.stringContaining('Nobody answered') });
    await soon(() => phone.of('CANCEL').length === 1);
  });

  test('withdrawn while it rings: CANCEL, 487', async () => {
    const phone = await uas(rings);
    const w = await world(trunkTo(phone));
    const call = await w.dial('+4930123');
    await soon(() => w.steps.at(-1)?.state === 'ringing');
    call.cancel({ blame: 'none', reason: 'withdrawn-by-host' });
    expect((await w.ended()).status).toBe(487);
    await soon(() => phone.of('CANCEL').length === 1);
  });

  test('a 200 that crosses the withdrawal is acknowledged and hung up', async () => {
    const phone = await uas(r =>
      r.method === 'INVITE' ? [{ status: 180 }] : r.method === 'ACK' ? [] : [{ status: 200 }],
    );
    const w = await world(trunkTo(phone));
    const call = await w.dial('+4930123');
    await soon(() => w.steps.at(-1)?.state === 'ringing');
    call.cancel({ blame: 'none', reason: 'withdrawn-by-host' });
    phone.answer({ status: 200, sdp: UAS_SDP });
    await soon(() => phone.of('BYE').length === 1);
    expect(phone.of('ACK')).toHaveLength(1);
    expect(of(w.commands, 'confirmed')).toHaveLength(0);
  });

  test('early media of two forks: the last is heard, the 200 decides', async () => {
    const phone = await uas(rings);
    const w = await world(trunkTo(phone));
    await w.dial('+4930123');
    await soon(() => w.steps.at(-1)?.state === 'ringing');
    const one = UAS_SDP.replace('4444', '4446');
    const two = UAS_SDP.replace('4444', '4448');
    phone.answer({ status: 183, sdp: one, toTag: 'a' });
    phone.answer({ status: 183, sdp: two, toTag: 'b' });
    await soon(() => of(w.commands, 'answer').length === 2);
    expect(w.commands).toMatchObject([
      { type: 'answer', early: true, native: { sdp: one } },
      { type: 'answer', early: true, native: { sdp: two } },
    ]);
    expect(w.steps.at(-1)).toMatchObject({ state: 'early', status: 183 });
    // RFC 3261 §13.2.1: the answer may have come before the 200, which then carries none.
    phone.answer({ status: 200, toTag: 'a' });
    await soon(() => of(w.commands, 'confirmed').length === 1);
    expect(of(w.commands, 'answer').at(-1)).toEqual({ type: 'answer', id: 0, native: { sdp: one } });
  });

  test('407 is answered with the trunk’s password; a wrong one is told', async () => {
    const phone = await uas(() => []);
    phone.script = (r, again) => {
      if (r.method !== 'INVITE') return r.method === 'ACK' ? [] : [{ status: 200 }];
      if (again > 0) return [];
      const verdict = phone.digest.verify(r, 0, n => (n === 'rb' ? ['right'] : undefined));
      return verdict.ok
        ? [{ status: 200, sdp: UAS_SDP }]
        : [{ status: 401, headers: phone.digest.challenge(0) }];
    };
    const config = trunkTo(phone);
    Object.assign(config.trunks[0]!.outbound, { username: 'rb', password: 'right' });
    const w = await world(config);
    await w.dial('+4930123');
    await soon(() => w.steps.at(-1)?.state === 'up');
    expect(phone.of('INVITE').map(r => r.cseq)).toEqual([1, 2]);
    expect(w.ladder.map(s => s.text ?? '').join('')).not.toContain('response=');

    Object.assign(config.trunks[0]!.outbound, { password: 'wrong' });
    const other = await world(config);
    await other.dial('+4930123');
    expect((await other.ended()).text).toContain('refused user name or password');
  });

  test('caller id, asserted identity and number rules', async () => {
    const phone = await uas(answers);
    const config = trunkTo(phone);
    Object.assign(config.trunks[0]!, { numberPlan: { countryCode: '49' }, domain: 'pbx.example' });
    Object.assign(config.trunks[0]!.outbound, {
      callerId: '+493055',
      assertedIdentity: '+493056',
      numbers: [{ match: '\\+49\\d+', strip: 3, prefix: '0' }],
    });
    const w = await world(config);
    await w.dial('030 123-456');
    await soon(() => w.steps.at(-1)?.state === 'up');
    const [invite] = phone.of('INVITE');
    expect(invite?.uri.raw).toBe('sip:030123456@pbx.example');
    expect(invite?.from.uri.raw).toBe('sip:+493055@pbx.example');
    expect(invite?.headers.get('p-asserted-identity')).toBe('<sip:+493056@pbx.example>');
    await expect(w.dial('+33123456789')).rejects.toThrow('sip.trunks[].outbound.numbers');
  });

  test('the peer’s BYE and the leg’s end', async () => {
    const phone = await uas(answers);
    const w = await world(trunkTo(phone));
    await w.dial('+4930123');
    await soon(() => w.steps.at(-1)?.state === 'up');
    w.tell({ type: 'closed', why: { blame: 'none', reason: 'kicked', text: 'Kicked.' } });
    expect((await w.ended()).text).toBe('Kicked.');
    await soon(() => phone.of('BYE').length === 1);
  });
});

test('a trunk that is all TLS carries no media in clear', async () => {
  const w = await world(trunkTo('sip:127.0.0.1:1;transport=tls', 'sips:127.0.0.1:1'));
  await w.dial('+4930123');
  await w.ended();
  expect(w.requests[0]?.begin).toEqual({ type: 'make-offer', native: { srtp: 'required' } });
});

describe('302', () => {
  test('is followed where the call might have gone in the first place', async () => {
    const phone = await uas(answers);
    const first = await uas(
      refuses({ status: 302, headers: [['Contact', `<${phone.uri.replace(':127', ':bob@127')}>`]] }),
    );
    const w = await world({ ...trunkTo(first), dialOut: { allow: [`sip:bob@127.0.0.1:${phone.port}`] } });
    await w.dial('+4930123');
    await soon(() => w.steps.at(-1)?.state === 'up');
    expect(w.statuses()).toEqual([302, 180, 200]);
    expect(phone.of('INVITE')[0]?.callId).toBe(first.of('INVITE')[0]?.callId);
  });
  test('and nowhere else', async () => {
    const phone = await uas(answers);
    const first = await uas(
      refuses({ status: 302, headers: [['Contact', `<sip:bob@127.0.0.1:${phone.port}>`]] }),
    );
    const w = await world(trunkTo(first));
    await w.dial('+4930123');
    expect((await w.ended()).text).toContain('sip.dialOut.allow');
    expect(phone.requests).toHaveLength(0);
  });
  test('in a circle it is given up', async () => {
    const first = await uas(silent);
    first.script = refuses({ status: 302, headers: [['Contact', `<sip:bob@127.0.0.1:${first.port}>`]] });
    const w = await world(trunkTo(first));
    await w.dial('+4930123');
    expect((await w.ended()).text).toContain('circle');
    expect(first.of('INVITE')).toHaveLength(6);
  });
});

describe('fail-over (RFC 3263 4.3)', () => {
  test.each<[string, Script]>([
    ['silent', silent],
    ['503', refuses({ status: 503 })],
    ['408', refuses({ status: 408 })],
  ])('first proxy %s: the second serves, same Call-ID and From tag, new branch', async (_, script) => {
    const [first, second] = [await uas(script), await uas(answers)];
    const w = await world(trunkTo(first, second));
    await w.dial('+4930123');
    await soon(() => w.steps.at(-1)?.state === 'up');
    const [a, b] = [first.of('INVITE')[0]!, second.of('INVITE')[0]!];
    expect(b.callId).toBe(a.callId);
    expect(b.from.params.get('tag')).toBe(a.from.params.get('tag'));
    expect(b.via.params.get('branch')).not.toBe(a.via.params.get('branch'));
    // The one that failed is tried last now.
    await w.dial('+4930124');
    await soon(() => second.of('INVITE').length === 2);
    expect(first.of('INVITE')).toHaveLength(1);
  });
  test('a dead port behind TCP', async () => {
    const second = await uas(answers);
    const w = await world(trunkTo('sip:127.0.0.1:1;transport=tcp', second));
    await w.dial('+4930123');
    await soon(() => w.steps.at(-1)?.state === 'up');
  });
  test('all dead: 503 with the last one’s words', async () => {
    const w = await world(
      trunkTo(await uas(refuses({ status: 503 })), await uas(refuses({ status: 503, reason: 'Full' }))),
    );
    await w.dial('+4930123');
    expect(await w.ended()).toMatchObject({ status: 503, text: expect.stringContaining('503 Full') });
  });
  test('busy is an answer: nobody else is asked', async () => {
    const second = await uas(answers);
    const w = await world(trunkTo(await uas(refuses({ status: 486 })), second));
    await w.dial('+4930123');
    expect((await w.ended()).status).toBe(486);
    expect(second.requests).toHaveLength(0);
  });
  test('a proxy’s late 100 is cancelled: only one call remains', async () => {
    const [first, second] = [await uas(silent), await uas(answers)];
    const w = await world(trunkTo(first, second));
    await w.dial('+4930123');
    await soon(() => w.steps.at(-1)?.state === 'up');
    first.script = r => (r.method === 'CANCEL' ? [{ status: 200 }] : []);
    first.answer({ status: 100 });
    await soon(() => first.of('CANCEL').length === 1);
  });
});

describe('who may be called', () => {
  const names = { 'inner.example': '10.0.0.1', 'pbx.example': '127.0.0.1' };
  test('nobody, without trunk or list', async () => {
    const w = await world({});
    await expect(w.dial('sip:bob@192.0.2.1')).rejects.toThrow('sip.dialOut.allow');
    await expect(w.dial('+4930123')).rejects.toThrow('outbound.numbers');
    await expect(w.dial('tel:+4930123')).rejects.toThrow('outbound.numbers');
    await expect(w.dial('bob')).rejects.toThrow('neither a number');
    await expect(w.dial('sip:bob@h?Route=x')).rejects.toThrow('neither a number');
    await expect(w.dial('+4930123', { trunk: 'x' })).rejects.toThrow('no trunk x');
    expect(w.requests).toHaveLength(0);
  });
  test('a list with * in the host does not open the inner network', async () => {
    const w = await world({ dialOut: { allow: ['sip:*@*.example'] } }, names);
    await w.dial('sip:bob@inner.example');
    expect((await w.ended()).text).toContain('private network');
    expect(w.requests).toHaveLength(0);
  });
  test('a host the list names may be inside', async () => {
    const phone = await uas(answers);
    const w = await world({ dialOut: { allow: [`sip:*@pbx.example:${phone.port}`] } }, names);
    await w.dial(`sip:bob@pbx.example:${phone.port}`);
    await soon(() => w.steps.at(-1)?.state === 'up');
  });
  test('a name that leads nowhere is told', async () => {
    const w = await world({ dialOut: { allow: ['sip:*@gone.example'] } }, names);
    await w.dial('sip:bob@gone.example');
    expect((await w.ended()).text).toContain('leads nowhere');
  });
});
