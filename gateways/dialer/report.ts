import type { AudioCodec, Json } from '../../src/contract.ts';
import type { Termination } from '../../src/kit/refusal.ts';
import { type Quality, quality } from '../../src/media/quality.ts';
import type { Heard } from './ear.ts';
import type { Direction, Facts } from './facts.ts';
import { judge } from './verdict.ts';

export interface Report {
  readonly pass: boolean;
  readonly json: Json;
  /** For a person. Lines, the last ended too. */
  readonly text: string;
}

/** `failure`: what ended the dial before its time. */
export function report(f: Facts, failure?: Termination): Report {
  const verdict = judge(f, failure);
  const out = { ...f.out, quality: qualityOf(f, f.out) };
  const back = { ...f.in, quality: qualityOf(f, f.in) };
  return {
    pass: verdict.pass,
    json: jsonOf(f, verdict, out, back),
    text: tableOf(f, verdict, out, back),
  };
}

type Measured = Direction & { readonly quality: Quality | undefined };

/** Without figures of its receiver nothing is claimed of a direction. */
function qualityOf({ codec, rttMs }: Facts, d: Direction): Quality | undefined {
  const { packets, lossPercent, jitterMs } = d;
  if (codec === undefined || packets === 0 || lossPercent === undefined || jitterMs === undefined)
    return undefined;
  return quality({ codec: codec as AudioCodec, lossPercent, jitterMs, delayMs: (rttMs ?? 0) / 2 });
}

function jsonOf(
  f: Facts,
  { pass, hop, text }: ReturnType<typeof judge>,
  out: Measured & Facts['out'],
  back: Measured & Facts['in'],
): Json {
  return {
    target: f.target,
    pass,
    ...(hop !== undefined && { hop }),
    verdict: text,
    ...(f.codec !== undefined && { codec: f.codec }),
    steps: f.steps.map(({ name, atMs, detail }) => ({
      name,
      atMs: round(atMs),
      ...(detail !== undefined && { detail }),
    })),
    talkedMs: Math.round(f.talkedMs),
    ...(f.rttMs !== undefined && { rttMs: round(f.rttMs), delayMs: round(f.rttMs / 2) }),
    out: { ...figures(out), reports: out.reports, reported: out.reported },
    in: {
      ...figures(back),
      ...(back.levelDb !== undefined && { levelDbfs: round(back.levelDb) }),
      ...(back.strongestHz !== undefined && { strongestHz: back.strongestHz }),
    },
    ...(f.expectHz !== undefined && {
      expected: {
        hz: f.expectHz,
        ...(back.expectedDb !== undefined && { levelDbfs: round(back.expectedDb) }),
      },
    }),
    notes: [...f.notes],
  };
}

const figures = ({ packets, lossPercent, jitterMs, quality: q }: Measured): Record<string, Json> => ({
  packets,
  ...(lossPercent !== undefined && { lossPercent: round(lossPercent) }),
  ...(jitterMs !== undefined && { jitterMs: round(jitterMs) }),
  ...(q !== undefined && { mos: round(q.mos), mosReason: q.reason }),
});

const round = (n: number): number => Math.round(n * 10) / 10;

function tableOf(
  f: Facts,
  verdict: ReturnType<typeof judge>,
  out: Measured,
  back: Measured & Facts['in'],
): string {
  const lines = [`${f.target}${f.codec === undefined ? '' : `  ${f.codec}`}`];
  const width = Math.max(0, ...f.steps.map(s => s.name.length));
  for (const { name, atMs, detail } of f.steps)
    lines.push(
      `  ${name.padEnd(width)}  ${String(Math.round(atMs)).padStart(6)} ms  ${detail ?? ''}`.trimEnd(),
    );
  if (f.talkedMs > 0) {
    lines.push('', row('', 'packets', 'loss', 'jitter', 'MOS', ''));
    lines.push(direction('out', out), direction('in', back));
    const trip = f.rttMs === undefined ? 'unknown' : `${round(f.rttMs)} ms`;
    lines.push(`  round trip ${trip}; heard ${sound(back)}`);
    if (f.expectHz !== undefined && back.expectedDb !== undefined)
      lines.push(`  expected ${f.expectHz} Hz: ${back.expectedDb.toFixed(1)} dBFS`);
  }
  for (const note of f.notes) lines.push(`  note: ${note}`);
  lines.push('', `${verdict.pass ? 'PASS' : 'FAIL'}  ${verdict.text}`, '');
  return lines.join('\n');
}

const row = (...[way, packets, loss, jitter, mos, reason]: readonly string[]): string =>
  `  ${way!.padEnd(4)}${packets!.padStart(8)}${loss!.padStart(9)}${jitter!.padStart(10)}${mos!.padStart(6)}  ${reason}`.trimEnd();

const direction = (way: string, { packets, lossPercent, jitterMs, quality: q }: Measured): string =>
  row(
    way,
    String(packets),
    lossPercent === undefined ? '?' : `${lossPercent.toFixed(1)} %`,
    jitterMs === undefined ? '?' : `${jitterMs.toFixed(1)} ms`,
    q === undefined ? '?' : q.mos.toFixed(1),
    q?.reason ?? '',
  );

const sound = ({ levelDb, strongestHz }: Heard): string =>
  levelDb === undefined
    ? 'nothing'
    : strongestHz === undefined
      ? 'silence'
      : `${levelDb.toFixed(1)} dBFS, strongest at ${strongestHz} Hz`;
