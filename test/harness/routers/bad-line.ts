import { systemClock } from '../../../src/io/clock.ts';
import { drive } from '../../../src/io/drive.ts';
import { openUdp } from '../../../src/io/udp.ts';
import { ImpairedLink, type Impairment } from '../../../src/kit/impairment.ts';

/**
 * One end of a bad line between two hosts. It stands beside the near host, has the address of the far one, and so gets
 * what is meant for that; its twin at the other end does the same the other way round.
 * ```
 * near host ── this end ══ twin ── far host
 * ```
 * Arguments: far address, near address, port (of both), own and the twin's address of the line between. A line of JSON
 * on standard input is how the way from near to far is from then on.
 */
const [far, near, port, own, twin] = process.argv.slice(2) as [string, string, string, string, string];
const LINE_PORT = 9000;
const clock = systemClock;

const link = new ImpairedLink<Buffer>(1);
const line = await openUdp({
  family: 4,
  address: own,
  port: LINE_PORT,
  clock,
  on: bytes => face.send(bytes, bytes.length, Number(port), near),
});
const driven = drive(link, clock, bytes => line.send(bytes, bytes.length, LINE_PORT, twin));
const face = await openUdp({
  family: 4,
  address: far,
  port: Number(port),
  clock,
  on: bytes => driven.feed({ type: 'packet', packet: bytes, bytes: bytes.length }),
});
console.log('line is open');

process.stdin.on('data', said => {
  for (const text of String(said).split('\n').filter(Boolean)) {
    driven.feed({ type: 'set', impairment: JSON.parse(text) as Impairment });
    console.log(`line is ${text}`);
  }
});
process.stdin.on('end', () => process.exit(0));
