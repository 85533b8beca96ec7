import { expect, test } from 'vitest';
import { VirtualClock, VirtualNet } from './virtual-net.ts';

test('a virtual clock runs what is due in order of time, and what that adds', () => {
  const clock = new VirtualClock();
  const seen: string[] = [];
  const undo = clock.at(15, () => seen.push('undone'));
  clock.at(20, () => seen.push(`b at ${clock.now()}`));
  clock.at(10, () => {
    seen.push(`a at ${clock.now()}`);
    undo();
    clock.at(5, () => seen.push(`late at ${clock.now()}`));
    clock.at(30, () => seen.push('too late'));
  });
  const stop = clock.every(8, now => seen.push(`tick at ${now}`));
  clock.run(25);
  stop();
  expect(seen).toEqual(['tick at 8', 'a at 10', 'late at 10', 'tick at 16', 'b at 20', 'tick at 24']);
  expect(clock.now()).toBe(25);
});

/** A member with two addresses (networks) and a server with one. */
function world(seed: number) {
  const net = new VirtualNet(seed);
  const heard: string[] = [];
  const server = net.open('server', 7100, (bytes, address, port, now) => {
    heard.push(`${bytes} from ${address} at ${now}`);
    server.send(Buffer.from(`re ${bytes}`), 3 + bytes.length, port, address);
  });
  const answers: string[] = [];
  const on = (bytes: Buffer): void => void answers.push(String(bytes));
  const wifi = net.open('wifi', 0, on);
  const mobile = net.open('mobile', 0, on);
  const say = (socket: typeof wifi, text: string): void =>
    socket.send(Buffer.from(text), text.length, 7100, 'server');
  return { net, heard, answers, wifi, mobile, say, server };
}

test('datagrams travel both ways with the delay of their link', () => {
  const { net, heard, answers, wifi, mobile, say } = world(1);
  net.impair('wifi', 'server', { delayMs: 50 }, { delayMs: 30 });
  say(wifi, 'slow');
  say(mobile, 'fast');
  expect(heard).toEqual([]); // nothing arrives inside `send`
  net.clock.run(0);
  expect([heard, answers]).toEqual([['fast from mobile at 10000'], ['re fast']]);
  net.clock.run(79);
  expect(heard[1]).toBe('slow from wifi at 10050');
  expect(answers.length).toBe(1);
  net.clock.run(1);
  expect(answers).toEqual(['re fast', 're slow']);
});

test('answers are lost as well as questions; every link has its own luck; a seed repeats itself', () => {
  const run = (seed: number) => {
    const { net, heard, answers, wifi, mobile, say } = world(seed);
    for (const address of ['wifi', 'mobile']) net.impair(address, 'server', { loss: 0.5 });
    for (let i = 0; i < 1000; i++) {
      say(wifi, `w${i}`);
      say(mobile, `m${i}`);
    }
    net.clock.run(1000);
    return { heard, answers };
  };
  const one = run(1);
  const of = (letter: string): number => one.heard.filter(h => h.startsWith(letter)).length;
  for (const letter of ['w', 'm']) expect(Math.abs(of(letter) - 500)).toBeLessThan(60);
  expect(Math.abs(one.answers.length - 500)).toBeLessThan(60);
  const both = one.heard.filter(
    h => h.startsWith('w') && one.heard.some(o => o.startsWith(`m${h.slice(1, 4)}`)),
  );
  expect(both.length).toBeLessThan(of('w'));
  expect(run(1)).toEqual(one);
  expect(run(2)).not.toEqual(one);
});

test('a rate counts the headers of IP and UDP; what is sent is seen before it is lost', () => {
  const { net, heard, wifi, say } = world(1);
  net.impair('wifi', 'server', { rateBps: 8000 }); // a byte a ms
  const seen: number[] = [];
  net.link('wifi', 'server').tap = bytes => seen.push(bytes.length);
  say(wifi, '0123456789');
  net.clock.run(37);
  expect(heard).toEqual([]);
  net.clock.run(1);
  expect(heard).toEqual(['0123456789 from wifi at 10038']);
  net.impair('wifi', 'server', { loss: 1 });
  say(wifi, 'gone');
  net.clock.run(1000);
  expect(heard.length).toBe(1);
  expect(seen).toEqual([10, 4]);
});

test('a closed socket neither sends nor hears, and its port is free again', () => {
  const { net, heard, answers, wifi, say, server } = world(1);
  say(wifi, 'last');
  wifi.close();
  say(wifi, 'never');
  net.clock.run(10);
  expect([heard.length, answers.length]).toEqual([1, 0]);
  expect(() => net.open('server', 7100, () => {})).toThrow('EADDRINUSE');
  server.close();
  net.open('server', 7100, () => {}).close();
});
