/**
 * `npm run bench:loss [-- --seconds n] [-- --seeds 1,2,3]`: the loss table of aRTP end to end: speech in 24 kbit/s Opus
 * through two sessions whose datagrams are lost both ways, feedback and all, under a virtual clock. All seeds of a row
 * are one long measurement, held to the row's bounds; `worst` is the seed that lost most. Exit status 0: all hold.
 */
import { parseArgs } from 'node:util';
import type { AudioResult } from './loss/audio.ts';
import { logSpectralDistanceDb } from './loss/likeness.ts';
import { measureAudio, measureCapped, measureCell, measureVideo, type Run } from './loss/measured.ts';
import {
  CAPPED,
  CELLS,
  type Cell,
  POLICED,
  ROWS,
  type Row,
  SEEDS,
  VIDEO_ROWS,
  type VideoRow,
} from './loss/rows.ts';
import { heard, type Speech, speech } from './loss/speech.ts';
import { machine } from './measure.ts';

type Cells = readonly (readonly [head: string, cell: string])[];

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seeds: { type: 'string', default: SEEDS.join(',') },
  },
});
const run: Run = {
  seeds: values.seeds.split(',').map(Number),
  measureMs: Number(values.seconds) * 1000,
};
let failed = 0;

const kbps = (bps: number): string => (bps / 1000).toFixed(0);
const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
const ms = (value: number): string => (value < Number.POSITIVE_INFINITY ? value.toFixed(0) : 'never');
const note = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
};

function verdict(holds: Readonly<Record<string, boolean>>): readonly [string, string] {
  const broken = Object.entries(holds).flatMap(([what, ok]) => (ok ? [] : [what]));
  if (broken.length > 0) failed++;
  return ['', broken.length === 0 ? 'PASS' : `FAIL: ${broken.join(', ')}`];
}

function print(title: string, rows: readonly Cells[]): void {
  note('');
  const table = [rows[0]!.map(([head]) => head), ...rows.map(row => row.map(([, cell]) => cell))];
  const widths = table[0]!.map((_, i) => Math.max(...table.map(row => row[i]!.length)));
  console.log(`\n${title}`);
  for (const row of table)
    console.log(
      `  ${row.map((c, i) => (i === 0 ? c.padEnd(widths[i]!) : c.padStart(widths[i]!))).join('  ')}`,
    );
}

async function audioRow(row: Row, said: Speech): Promise<Cells> {
  note(row.what);
  const got = measureAudio(row, run, said);
  return [
    ['loss', row.what],
    ['mostly', got.all[0]!.policy],
    ['kbit/s', kbps(got.wireBps)],
    ['table', `${row.table.kbps}`],
    ['lost', percent(got.residual)],
    ['table', percent(row.table.residual)],
    ['worst', percent(got.worst)],
    ['added ms', ms(got.addedMs)],
    ['budget', `${row.budgetMs}`],
    ['LSD dB', (await distance(got.all[0]!, said)).toFixed(1)],
    ['back', kbps(got.backBps)],
    verdict(got.holds),
  ];
}

/** Against the same part of the speech decoded without loss. */
async function distance(got: AudioResult, said: Speech): Promise<number> {
  const at = got.frames.findIndex(f => f !== undefined);
  if (at < 0) return Number.NaN;
  const n = said.frames.length;
  const offset = n + said.frames.findIndex(f => Buffer.compare(f, got.frames[at]!) === 0) - (at % n);
  const clean = got.frames.map((_, i) => said.frames[(i + offset) % n]);
  return logSpectralDistanceDb(await heard(clean), await heard(got.frames));
}

function cappedRow(row: typeof CAPPED | typeof POLICED, said: Speech): Cells {
  note('narrow link');
  const got = measureCapped(row, run, said);
  return [
    ['link', `200 kbit/s, ${row.changed.queueMs} ms of queue, with 10 %, after 50 % without a limit`],
    ['mostly', got.all[0]!.policy],
    ['kbit/s', kbps(got.wireBps)],
    ['lost', percent(got.residual)],
    ['worst', percent(got.worst)],
    ['queue drops', percent(got.dropped)],
    ['median wait ms', ms(got.waitMs)],
    verdict(got.holds),
  ];
}

function cellRow(cell: Cell): Cells {
  const what = `${kbps(cell.capBps)} kbit/s, ${cell.shape}, ${cell.loss * 100} %`;
  note(what);
  const got = measureCell(cell, run);
  return [
    ['link', what],
    ['mostly', got.all[0]!.policy],
    ['kbit/s', kbps(got.meanBps)],
    ['most in 10 s', kbps(got.mostBps)],
    ['lost', percent(got.residual)],
    ['dropped', percent(got.dropped)],
    ['95 % wait ms', ms(got.waitMs)],
    verdict(got.holds),
  ];
}

function videoRow(row: VideoRow): Cells {
  note(`pictures, ${row.what}`);
  const got = measureVideo(row, run);
  return [
    ['loss', row.what],
    ['mostly', got.all[0]!.policy],
    ['source', kbps(got.sourceBps)],
    ['kbit/s', kbps(got.wireBps)],
    ['incomplete', percent(got.incomplete)],
    ['of layer 0', percent(got.base)],
    ['worst', percent(got.worst)],
    ['added ms', ms(got.addedMs)],
    ['budget', `${row.budgetMs}`],
    ['keys asked', `${got.keyframesAsked}`],
    verdict(got.holds),
  ];
}

const said = await speech();
console.log(machine());
console.log(
  `${said.frames.length} Opus frames of speech, ${kbps(said.bps)} kbit/s; seeds ${run.seeds.join(', ')}, ${values.seconds} s each after the warm-up; kbit/s with all headers, IP and UDP too`,
);
const audio: Cells[] = [];
for (const row of ROWS) audio.push(await audioRow(row, said));
print(
  'speech: lost if not there when it is to be heard; added: how long playout has to wait for what may not be lost; LSD: log-spectral distance to the decode without loss',
  audio,
);
print('speech on a link that becomes too narrow for what is spent', [
  cappedRow(CAPPED, said),
  cappedRow(POLICED, said),
]);
print(
  'sound of 24 kbit/s (52 with headers) on links that are narrow from the first packet on, and lossy besides; 50 s a seed, the first 10 do not count',
  CELLS.map(cellRow),
);
print(
  'pictures: 15 a second, two temporal layers, 300 kbit/s; incomplete if not whole when they are to be shown',
  VIDEO_ROWS.map(videoRow),
);
console.log(failed === 0 ? '\nall hold' : `\n${failed} rows do not hold`);
process.exitCode = failed === 0 ? 0 : 1;
