import { expect } from 'vitest';
import type { CallEvent, DialOptions } from '../../src/proto/sip/events.ts';
import type { SipConfig } from '../../src/proto/sip/stack.ts';
import { type Link, type SipPeer, SipWorld } from './sip-world.ts';

export const OFFER = 'v=0\r\nOFFER\r\n';
export const ANSWER = 'v=0\r\nANSWER\r\n';

export interface Pair {
  readonly world: SipWorld;
  readonly a: SipPeer;
  readonly b: SipPeer;
  readonly dial: (o?: Partial<DialOptions>) => void;
}

/** A phone `a` (10.0.0.1) that dials call `c1`, a server `b` (10.0.0.2). */
export function pair(
  link: Partial<Link> = {},
  config: { a?: Partial<SipConfig>; b?: Partial<SipConfig> } = {},
): Pair {
  const world = new SipWorld({ seed: 1, ...link });
  const a = world.peer('10.0.0.1', config.a);
  const b = world.peer('10.0.0.2', { infoTypes: ['application/dtmf-relay'], ...config.b });
  const dial = (o: Partial<DialOptions> = {}): void =>
    a.feed({
      type: 'dial',
      call: 'c1',
      options: { to: 'sip:1000@10.0.0.2', user: 'alice', sdp: OFFER, ...o },
    });
  return { world, a, b, dial };
}

export const autoAnswer = (e: CallEvent, peer: SipPeer): void => {
  if (e.type === 'invite') peer.feed({ type: 'answer', call: e.call, sdp: ANSWER });
};

/** Nothing is left of anything. */
export const idle = (...peers: SipPeer[]): void => {
  for (const p of peers) expect(p.endpoint.load).toEqual({ calls: 0, transactions: 0, timers: 0 });
};

/** `a` and `b` are talking; returns b's call id. */
export function talking(w: Pair, o: Partial<DialOptions> = {}): string {
  w.b.on = autoAnswer;
  w.dial(o);
  w.world.run(1000);
  w.b.one('confirmed');
  return w.b.one('invite').call;
}

/** A well-formed message of a stranger. `lines`: instead of the ones it would have, by name. */
export function message(
  first: string,
  lines: Readonly<Record<string, string | undefined>>,
  body = '',
): string {
  const method = first.startsWith('SIP/') ? '' : (first.split(' ', 1)[0] as string);
  const all: Record<string, string | undefined> = {
    Via: `SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bKstranger${method}`,
    From: '<sip:x@192.0.2.66>;tag=1',
    To: '<sip:1000@10.0.0.2>',
    'Call-ID': 'stranger',
    CSeq: `1 ${method}`,
    Contact: '<sip:x@192.0.2.66>',
    ...lines,
    'Content-Length': String(body.length),
  };
  const head = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}`],
  );
  return [first, ...head, '', body].join('\r\n');
}

/** The value of a header in a message as text. */
export const header = (text: string | undefined, name: string): string | undefined =>
  new RegExp(`^${name}: (.*)$`, 'im').exec(text ?? '')?.[1]?.trim();

/** The newest message a peer sent whose first line begins so. */
export const lastSent = (p: SipPeer, first: string): string => {
  const text = p.texts.filter(t => t.startsWith(first)).at(-1);
  if (text === undefined) throw new Error(`${p.host} sent no ${first}; it sent ${p.sent.join(' | ')}`);
  return text;
};
