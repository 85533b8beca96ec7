/** `npm run bench [-- name …] [-- --minutes n]`: all benches, or those named; a table each, no verdicts. */
import { parseArgs } from 'node:util';
import { heartbeats, placement } from './agents.ts';
import { artp } from './artp.ts';
import { calls } from './calls.ts';
import { choices } from './choices.ts';
import { codecs } from './codecs.ts';
import { forward } from './forward.ts';
import { grid } from './grid.ts';
import { link } from './link.ts';
import { type Bench, machine, table } from './measure.ts';
import { mix } from './mix.ts';
import { phones } from './phones.ts';
import { pictures } from './pictures.ts';
import { seats } from './seats.ts';
import { sip } from './sip.ts';
import { speakers } from './speakers.ts';
import { srtp } from './srtp.ts';
import { viewers } from './viewers.ts';

const BENCHES: readonly Bench[] = [
  forward,
  viewers,
  speakers,
  grid,
  phones,
  artp,
  choices,
  link,
  seats,
  srtp,
  mix,
  codecs,
  pictures,
  sip,
  calls,
  placement,
  heartbeats,
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { minutes: { type: 'string', default: '5' } },
});
const unknown = positionals.filter(name => !BENCHES.some(b => b.name === name));
const minutes = Number(values.minutes);
if (unknown.length > 0 || !(minutes > 0)) {
  console.error(
    unknown.length > 0
      ? `There is no bench ${unknown.join(', ')}; there are ${BENCHES.map(b => b.name).join(', ')}.`
      : '--minutes takes a number above 0.',
  );
  process.exit(1);
}

console.log(machine());
for (const bench of BENCHES) {
  if (positionals.length > 0 && !positionals.includes(bench.name)) continue;
  const note = (text: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${bench.name}: ${text}`);
  };
  note('…');
  const figures = await bench.run({ minutes, note });
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  console.log(`\n${table(bench, figures)}`);
}
