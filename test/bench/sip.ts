import { randomBytes } from 'node:crypto';
import { SipEndpoint } from '../../src/proto/sip/endpoint.ts';
import type { SipInput, SipOutput } from '../../src/proto/sip/events.ts';
import { flowTo } from '../../src/proto/sip/flow.ts';
import { parseMessage } from '../../src/proto/sip/parse.ts';
import { Caller } from './caller.ts';
import { type Bench, type BenchOptions, cpuOf, type Figure, median } from './measure.ts';
import { startProgram } from './program.ts';
import { rawForwardUs } from './raw.ts';

const CALLS_A_LOT = 500;
/** Until the program's code is compiled for good. */
const WARM_UP_LOTS = 4;
const LOTS = 7;
/** Calls under way at once. */
const ABREAST = 20;

export const sip: Bench = {
  name: 'sip',
  about:
    'CPU of SIP; baseline: raw node:dgram forward of as many datagrams of the size of an INVITE (a forward receives one and sends one)',
  async run(o) {
    const { invite, call } = twoEndpoints();
    const rawUs = await rawForwardUs(invite.length - 12);
    o.note('in memory');
    const cost = cpuOf({ parse: () => void parseMessage(invite), call });
    return [
      { what: 'an INVITE parsed', value: cost.parse, unit: 'µs', baseline: rawUs },
      { what: 'messages parsed a second', value: 1e6 / cost.parse, unit: '/s' },
      { what: 'a call in memory, both ends', value: cost.call, unit: 'µs', baseline: 3 * rawUs },
      ...(await throughProgram(o, rawUs)),
    ];
  },
};

/** INVITE, 200, ACK, BYE, 200 against the program: each call joins a room of 20 and opens its media ports. */
async function throughProgram({ note }: BenchOptions, rawUs: number): Promise<Figure[]> {
  const program = await startProgram();
  const caller = new Caller(program.sip);
  try {
    await caller.open();
    for (let lot = 0; lot < WARM_UP_LOTS; lot++) await calls(caller);
    const cpu: number[] = [];
    const rate: number[] = [];
    const datagrams = caller.datagrams;
    for (let lot = 0; lot < LOTS; lot++) {
      note(`calls through the program, ${lot} of ${LOTS}`);
      const [before, began] = [await program.process.usage(), performance.now()];
      await calls(caller);
      const seconds = (performance.now() - began) / 1000;
      const after = await program.process.usage();
      cpu.push((after.cpuUs - before.cpuUs) / CALLS_A_LOT);
      rate.push(CALLS_A_LOT / seconds);
    }
    const forwards = (caller.datagrams - datagrams) / (LOTS * CALLS_A_LOT) / 2;
    return [
      {
        what: 'a call through the program, room and media ports included',
        value: median(cpu),
        unit: 'µs',
        baseline: forwards * rawUs,
      },
      { what: `calls a second, ${ABREAST} abreast`, value: median(rate), unit: '/s' },
    ];
  } finally {
    caller.close();
    await program.end();
  }
}

async function calls(caller: Caller): Promise<void> {
  let begun = 0;
  const one = async (slot: number): Promise<void> => {
    while (begun < CALLS_A_LOT) {
      begun++;
      const call = await caller.call(`room-${slot}`, `caller-${slot}`, 40_000);
      await call.end();
    }
  };
  await Promise.all(Array.from({ length: ABREAST }, (_, slot) => one(slot)));
}

const SDP = [
  'v=0',
  'o=- 1 1 IN IP4 127.0.0.1',
  's=-',
  'c=IN IP4 127.0.0.1',
  't=0 0',
  'm=audio 40000 RTP/AVP 96 0 8 101',
  'a=rtpmap:96 opus/48000/2',
  'a=rtpmap:101 telephone-event/8000',
  '',
].join('\r\n');

/** Two user agents joined by function calls; `call` is one whole call, `invite` what its first message looks like. */
function twoEndpoints(): { invite: Buffer; call: () => void } {
  const flows = [flowTo('udp', '127.0.0.1', 5060), flowTo('udp', '127.0.0.2', 5060)] as const;
  const ends = flows.map(
    ({ host, port }) =>
      new SipEndpoint({
        random: randomBytes,
        local: () => ({ host, port }),
        name: 'bench',
        newRequestsPerSecond: 1e9,
        maxTransactions: 1e9,
      }),
  );
  let now = 0;
  let invite = Buffer.alloc(0);
  const todo: { to: 0 | 1; input: SipInput }[] = [];
  const act = (end: 0 | 1, out: SipOutput): void => {
    const other = end === 0 ? 1 : 0;
    if (out.type === 'send') {
      if (invite.length === 0) invite = Buffer.from(out.bytes);
      todo.push({ to: other, input: { type: 'datagram', flow: flows[end], bytes: out.bytes } });
    } else if (out.type === 'invite')
      todo.push({ to: 1, input: { type: 'answer', call: out.call, sdp: SDP } });
    else if (out.type === 'answered') todo.push({ to: 0, input: { type: 'hangup', call: out.call } });
  };
  let serial = 0;
  const call = (): void => {
    now += 1000; // ends of earlier transactions are rung out as time goes by
    todo.push({
      to: 0,
      input: {
        type: 'dial',
        call: String(++serial),
        options: { to: 'sip:1000@127.0.0.2', user: 'bench', sdp: SDP },
      },
    });
    for (let next = todo.shift(); next !== undefined; next = todo.shift()) {
      const end = ends[next.to] as SipEndpoint;
      end.handle(next.input, now);
      for (let out = end.poll(); out !== undefined; out = end.poll()) act(next.to, out);
    }
    for (const end of ends) if (end.deadline <= now) end.handle({ type: 'tick' }, now);
  };
  call();
  return { invite, call };
}
