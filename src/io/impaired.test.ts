import { expect, test } from 'vitest';
import { VirtualClock, VirtualNet, type VirtualSocket } from '../../test/harness/virtual-net.ts';
import { DrillPorts } from './drill-ports.ts';
import { DrillLine } from './impaired.ts';
import type { UdpPorts } from './udp.ts';

function world() {
  const clock = new VirtualClock();
  const out: string[] = [];
  const heard: string[] = [];
  const line = new DrillLine<string>({
    clock,
    send: (bytes, length, to) =>
      out.push(`${Buffer.from(bytes).subarray(0, length)} to ${to} at ${clock.now()}`),
    receive: (bytes, from, now) => heard.push(`${Buffer.from(bytes)} from ${from} at ${now}`),
  });
  const buffer = Buffer.alloc(100);
  /** As gateways send: the first bytes of a buffer that is used again at once. */
  const say = (text: string): void => {
    line.send(buffer, buffer.write(text), 'bob');
    buffer.fill(0);
  };
  const hear = (text: string): void => line.receive(Buffer.from(text), 'bob', clock.now());
  return { clock, out, heard, line, say, hear };
}

test('without a drill everything passes inside the call', () => {
  const { out, heard, say, hear } = world();
  say('a');
  hear('b');
  expect([out, heard]).toEqual([['a to bob at 0'], ['b from bob at 0']]);
});

test('a drill delays what it is to delay, one direction or both', () => {
  const { clock, out, heard, line, say, hear } = world();
  line.drill({ toMember: { delayMs: 50 }, seed: 1 });
  say('a');
  hear('b');
  expect([out, heard]).toEqual([[], ['b from bob at 0']]);
  clock.run(50);
  expect(out).toEqual(['a to bob at 50']);
  line.drill({ toMember: { loss: 1 }, fromMember: { delayMs: 10 }, seed: 1 });
  say('lost');
  hear('c');
  clock.run(10);
  expect([out, heard]).toEqual([['a to bob at 50'], ['b from bob at 0', 'c from bob at 60']]);
});

test('after a drill what is under way arrives, and nothing overtakes it; then it is as before', () => {
  const { clock, out, line, say } = world();
  line.drill({ toMember: { delayMs: 50 }, seed: 1 });
  say('held');
  line.drill(null);
  clock.run(20);
  say('behind');
  expect(out).toEqual([]);
  clock.run(30);
  expect(out).toEqual(['held to bob at 50', 'behind to bob at 50']);
  say('free');
  expect(out[2]).toBe('free to bob at 50');
});

test('a closed line passes nothing, not even what was under way', () => {
  const { clock, out, heard, line, say, hear } = world();
  line.drill({ toMember: { delayMs: 50 }, fromMember: { delayMs: 50 }, seed: 1 });
  say('a');
  hear('b');
  line.close();
  line.drill({ toMember: {}, seed: 1 });
  say('c');
  hear('d');
  clock.run(1000);
  expect([out, heard]).toEqual([[], []]);
});

test('the ports of a leg: all pairs, those opened later too, until it is over', async () => {
  const net = new VirtualNet(1);
  const { clock } = net;
  const heard: string[] = [];
  const opened: VirtualSocket[] = [];
  const real: Pick<UdpPorts, 'open'> = {
    open: async (_family, on) => {
      const [rtp, rtcp] = [net.open('us', 0, on.rtp), net.open('us', 0, on.rtcp)];
      opened.push(rtp, rtcp);
      return {
        rtp,
        rtcp,
        close() {
          rtp.close();
          rtcp.close();
        },
      };
    },
  };
  const ports = new DrillPorts(real, clock);
  const say = (what: string) => (bytes: Buffer, from: string, _port: number, now: number) =>
    void heard.push(`${what} ${bytes} from ${from} at ${now - 10_000}`);
  const on = { rtp: say('rtp'), rtcp: say('rtcp') };
  const peer = net.open(
    'peer',
    9,
    (bytes, _from, _port, now) => void heard.push(`peer ${bytes} at ${now - 10_000}`),
  );
  const sound = await ports.open(4, on);
  const send = (text: string): void => sound.rtp.send(Buffer.from(text), text.length, 9, 'peer');
  const toUs = (text: string, port: number): void => peer.send(Buffer.from(text), text.length, port, 'us');
  send('a');
  toUs('b', sound.rtcp.port);
  clock.run(0);
  expect(heard.splice(0)).toEqual(['peer a at 0', 'rtcp b from peer at 0']);
  ports.drill({ toMember: { delayMs: 100 }, fromMember: { loss: 1 }, seed: 1 });
  const picture = await ports.open(4, on);
  picture.rtp.send(Buffer.from('c'), 1, 9, 'peer');
  toUs('lost', sound.rtp.port);
  toUs('lost', picture.rtp.port);
  clock.run(100);
  expect(heard.splice(0)).toEqual(['peer c at 100']);
  ports.drill(null);
  send('d');
  toUs('e', picture.rtp.port);
  clock.run(0);
  expect(heard.splice(0)).toEqual(['peer d at 100', 'rtp e from peer at 100']);
  for (const pair of [sound, picture]) pair.close();
  send('f');
  clock.run(100);
  expect(heard).toEqual([]);
});
