import { describe, expect, test } from 'vitest';
import { type Flow, flowTo } from './flow.ts';
import { TransactionLayer } from './layer.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { parseMessage } from './parse.ts';
import { Timers } from './timers.ts';
import type { OutgoingRequest } from './write.ts';

/** A layer whose doings are a list: `send <first line>`, `pass <status>`, `failed <why>`. */
function bench(transport: 'udp' | 'tcp' = 'udp') {
  const done: string[] = [];
  const timers = new Timers();
  const outside = {
    timers,
    now: 0,
    lives: () => true,
    send: (_: Flow, bytes: Buffer) => void done.push(`send ${bytes.toString().split('\r\n', 1)[0]}`),
  };
  const layer = new TransactionLayer(outside);
  const user = {
    response: (r: SipResponse) => void done.push(`pass ${r.status}`),
    failed: (why: string) => void done.push(`failed ${why}`),
  };
  const flow = flowTo(transport, '10.0.0.2', 5060);
  const at = (ms: number): string[] => {
    while (timers.deadline <= ms) {
      outside.now = timers.deadline;
      timers.ring(outside.now);
    }
    outside.now = ms;
    return done.splice(0);
  };
  const take = (): string[] => done.splice(0);
  return { layer, user, flow, at, take };
}

const request = (method: string): OutgoingRequest => ({
  method,
  uri: 'sip:b@h',
  via: 'SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx',
  from: '<sip:a@h>;tag=1',
  to: '<sip:b@h>',
  callId: 'c',
  cseq: 1,
  routes: [],
  headers: [],
});

function response(status: number, method: string): SipResponse {
  const p = parseMessage(
    Buffer.from(
      `SIP/2.0 ${status} X\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKx\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 ${method}\r\n\r\n`,
    ),
  );
  if (!p.ok || p.message.kind !== 'response') throw new Error('fixture');
  return p.message;
}

function incoming(method: string): SipRequest {
  const p = parseMessage(
    Buffer.from(
      `${method} sip:b@h SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKy\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>\r\nCall-ID: c\r\nCSeq: 1 ${method}\r\n\r\n`,
    ),
  );
  if (!p.ok || p.message.kind !== 'request') throw new Error('fixture');
  return p.message;
}

const INVITE = 'send INVITE sip:b@h SIP/2.0';
const ACK = 'send ACK sip:b@h SIP/2.0';

describe('INVITE client', () => {
  test('timer A doubles, timer B ends it', () => {
    const b = bench();
    b.layer.request(request('INVITE'), b.flow, b.user, undefined);
    expect(b.take()).toEqual([INVITE]);
    expect(b.at(499)).toEqual([]);
    expect(b.at(500)).toEqual([INVITE]);
    expect(b.at(1499)).toEqual([]);
    expect(b.at(1500)).toEqual([INVITE]);
    expect(b.at(31_999)).toEqual(Array(4).fill(INVITE)); // 3.5, 7.5, 15.5, 31.5 s
    expect(b.at(32_000)).toEqual(['failed timeout']);
    expect(b.layer.size).toBe(0);
  });

  test('a provisional response stops both', () => {
    const b = bench();
    b.layer.request(request('INVITE'), b.flow, b.user, undefined);
    b.layer.client(response(180, 'INVITE'))?.receive(response(180, 'INVITE'));
    expect(b.take()).toEqual([INVITE, 'pass 180']);
    expect(b.at(100_000)).toEqual([]);
  });

  test('a refusal is acknowledged each time it comes, passed once, forgotten after timer D', () => {
    const b = bench();
    const t = b.layer.request(request('INVITE'), b.flow, b.user, undefined);
    t.receive(response(486, 'INVITE'));
    t.receive(response(486, 'INVITE'));
    expect(b.take()).toEqual([INVITE, ACK, 'pass 486', ACK]);
    b.at(31_999);
    expect(b.layer.size).toBe(1);
    b.at(32_000);
    expect(b.layer.size).toBe(0);
  });

  test('RFC 6026: every 2xx is passed until timer M', () => {
    const b = bench();
    const t = b.layer.request(request('INVITE'), b.flow, b.user, undefined);
    t.receive(response(200, 'INVITE'));
    t.receive(response(200, 'INVITE'));
    expect(b.take()).toEqual([INVITE, 'pass 200', 'pass 200']);
    b.at(32_000);
    expect(b.layer.size).toBe(0);
  });

  test('over TCP nothing is sent twice; a closed connection is a failure', () => {
    const b = bench('tcp');
    b.layer.request(request('INVITE'), b.flow, b.user, undefined);
    expect(b.at(10_000)).toEqual([INVITE]);
    b.layer.flowClosed(b.flow.id);
    expect(b.take()).toEqual(['failed transport']);
    expect(b.layer.size).toBe(0);
  });
});

describe('other client', () => {
  test('timer E doubles to T2, timer F ends it', () => {
    const b = bench();
    b.layer.request(request('BYE'), b.flow, b.user, undefined);
    // 0.5, 1.5, 3.5, then every 4 s
    expect(b.at(31_999)).toHaveLength(1 + 3 + 7);
    expect(b.at(32_000)).toEqual(['failed timeout']);
  });

  test('a final response ends it, T4 later it is gone', () => {
    const b = bench();
    const t = b.layer.request(request('BYE'), b.flow, b.user, undefined);
    t.receive(response(200, 'BYE'));
    t.receive(response(200, 'BYE'));
    expect(b.take()).toEqual(['send BYE sip:b@h SIP/2.0', 'pass 200']);
    b.at(5000);
    expect(b.layer.size).toBe(0);
  });
});

describe('INVITE server', () => {
  test('resends its last provisional to a repeated request, absorbs repeats after a 2xx', () => {
    const b = bench();
    const t = b.layer.open(incoming('INVITE'), b.flow, 'tag');
    t.respond(100);
    t.input('request');
    t.respond(200);
    t.input('request');
    expect(b.take()).toEqual(['send SIP/2.0 100 Trying', 'send SIP/2.0 100 Trying', 'send SIP/2.0 200 OK']);
    b.at(32_000);
    expect(b.layer.size).toBe(0);
  });

  test('timer G resends a refusal until its ACK; timer I absorbs more ACKs', () => {
    const b = bench();
    const t = b.layer.open(incoming('INVITE'), b.flow, 'tag');
    t.respond(486);
    expect(b.at(1500)).toHaveLength(3); // at once, 0.5, 1.5 s
    t.input('ack');
    expect(b.at(6499)).toEqual([]);
    expect(b.layer.size).toBe(1);
    b.at(6500);
    expect(b.layer.size).toBe(0);
  });

  test('timer H gives up on the ACK', () => {
    const b = bench();
    b.layer.open(incoming('INVITE'), b.flow, 'tag').respond(486);
    b.at(32_000);
    expect(b.layer.size).toBe(0);
  });
});

test('other server: final response again for every repeat, gone after timer J', () => {
  const b = bench();
  const t = b.layer.open(incoming('BYE'), b.flow, 'tag');
  t.input('request');
  expect(b.take()).toEqual([]);
  t.respond(200);
  t.input('request');
  expect(b.take()).toEqual(['send SIP/2.0 200 OK', 'send SIP/2.0 200 OK']);
  b.at(32_000);
  expect(b.layer.size).toBe(0);
});

test('timers: many, stopped in any order, ring in order', () => {
  const timers = new Timers();
  const rang: number[] = [];
  const owner = { timer: (name: string) => void rang.push(Number(name)) };
  const all = Array.from({ length: 500 }, (_, i) => {
    const at = (i * 7919) % 500;
    return timers.start(owner, String(at), at);
  });
  for (let i = 0; i < all.length; i += 3) timers.stop(all[(i * 31) % all.length]);
  const left = timers.size;
  timers.ring(1000);
  expect(rang).toHaveLength(left);
  expect(rang).toEqual([...rang].sort((x, y) => x - y));
});
