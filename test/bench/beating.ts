/**
 * The other side of `heartbeats`: so many processes, each with a connection to NATS of its own, each saying its advert once
 * a second when its clock says so. Arguments: NATS port, how many, agents in each, how wrong their clocks are.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { untilAdvertMs } from '../../src/agents/table.ts';
import { subjects } from '../../src/node/subjects.ts';
import { advertOf } from './agents.ts';

const [port = '', count = '0', each = '1', clocks = 'set'] = process.argv.slice(2);
/** What NTP leaves in one site, as a standard deviation. */
const SET_MS = 3;

const normal = (): number =>
  Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

/** Bare lines of NATS's protocol: a thousand clients of the library would be slower than what they are to load. */
async function beat(n: number): Promise<void> {
  const skewMs = clocks === 'set' ? normal() * SET_MS : Math.random() * 1000;
  const socket = connect(Number(port), '127.0.0.1').setNoDelay();
  socket.on('data', (data: Buffer) => data.includes('PING') && socket.write('PONG\r\n'));
  await once(socket, 'connect');
  socket.write('CONNECT {"verbose":false,"pedantic":false}\r\n');
  let said = 0;
  const say = (): void => {
    const text = JSON.stringify(advertOf(n, said++, Number(each)));
    socket.write(`PUB ${subjects.advert} ${Buffer.byteLength(text)}\r\n${text}\r\n`);
    setTimeout(say, untilAdvertMs(Date.now() + skewMs));
  };
  setTimeout(say, Math.random() * 1000); // they were not started together
}

for (let n = 0; n < Number(count); n++) {
  await beat(n);
  if (n % 50 === 0) await pause(1);
}
process.send?.({ beating: true });
