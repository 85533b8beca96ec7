import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { systemClock } from './clock.ts';
import { type Flow, type Flows, type FlowsOptions, openFlows } from './flows.ts';

interface Said {
  readonly what: string;
  readonly flow?: Flow;
  readonly text?: string;
}

/** Flows whose events are a list one can wait for. */
async function listen(o: Partial<FlowsOptions> = {}): Promise<{
  flows: Flows;
  said: Said[];
  next: (what: string) => Promise<Said>;
}> {
  const said: Said[] = [];
  let wake = (): void => {};
  const say = (s: Said): void => {
    said.push(s);
    wake();
  };
  const flows = await openFlows(
    { address: '127.0.0.1', port: 0, tcp: true, setting: 'test.port', ...o },
    systemClock,
    {
      datagram: (flow, bytes) => say({ what: 'datagram', flow, text: bytes.toString() }),
      chunk: (flow, bytes) => say({ what: 'chunk', flow, text: bytes.toString() }),
      closed: flow => say({ what: 'closed', flow }),
      junk: reason => say({ what: reason }),
    },
  );
  const next = async (what: string): Promise<Said> => {
    for (;;) {
      const found = said.find(s => s.what === what);
      if (found !== undefined) return found;
      await new Promise<void>(done => (wake = done));
    }
  };
  return { flows, said, next };
}

test('one port for both; what comes in can be answered on its flow', async () => {
  const a = await listen();
  const b = await listen();
  for (const transport of ['udp', 'tcp'] as const) {
    const to: Flow = {
      id: `${transport}:127.0.0.1:${b.flows.port}`,
      transport,
      host: '127.0.0.1',
      port: b.flows.port,
    };
    a.flows.send(to, Buffer.from('hello'));
    const what = transport === 'udp' ? 'datagram' : 'chunk';
    const heard = await b.next(what);
    expect(heard.text).toBe('hello');
    b.flows.send(heard.flow as Flow, Buffer.from('back'));
    expect((await a.next(what)).text).toBe('back');
  }
  expect(a.flows.connections).toBe(1);
  b.flows.hangUp((await b.next('chunk')).flow as Flow);
  await a.next('closed');
  expect(a.flows.connections).toBe(0);
  await a.flows.close();
  await b.flows.close();
});

test('a name is looked up; a connection nobody takes is closed', async () => {
  const a = await listen();
  const b = await listen();
  const { port } = b.flows;
  a.flows.send({ id: 'x', transport: 'udp', host: 'localhost', port }, Buffer.from('by name'));
  expect((await b.next('datagram')).text).toBe('by name');
  await b.flows.close();
  a.flows.send({ id: `tcp:127.0.0.1:${port}`, transport: 'tcp', host: '127.0.0.1', port }, Buffer.from('x'));
  expect((await a.next('closed')).flow?.port).toBe(port);
  await a.flows.close();
});

test('a port in use is told in one sentence', async () => {
  const a = await listen();
  await expect(listen({ port: a.flows.port })).rejects.toThrow(
    /UDP port \d+ .* already in use: .* test\.port/,
  );
  await a.flows.close();
});

test('more connections than allowed from one address are closed', async () => {
  const a = await listen({ maxPerAddress: 1 });
  const one = connect({ host: '127.0.0.1', port: a.flows.port });
  await new Promise(done => one.once('connect', done));
  one.write('x');
  await a.next('chunk');
  const two = connect({ host: '127.0.0.1', port: a.flows.port });
  two.on('error', () => {});
  await new Promise(done => two.once('close', done));
  expect(a.said.some(s => s.what === 'tcp-per-address')).toBe(true);
  one.destroy();
  await a.next('closed');
  await a.flows.close();
});
