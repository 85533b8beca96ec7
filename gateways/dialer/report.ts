import type { AudioCodec, Json } from '../../src/contract.ts';
import type { Termination } from '../../src/kit/refusal.ts';
import { type Quality, quality } from '../../src/media/quality.ts';
import type { Direction, Facts, PictureIn, PictureOut } from './facts.ts';
import type { Heard } from './listening.ts';
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
    ...(f.setUpMs !== undefined && { setUpMs: round(f.setUpMs) }),
    talkedMs: Math.round(f.talkedMs),
    ...(f.rttMs !== undefined && { rttMs: round(f.rttMs), delayMs: round(f.rttMs / 2) }),
    out: {
      ...figures(out),
      reports: out.reports,
      reported: out.reported,
      ...(f.pictureOut && { picture: shown(f.pictureOut) }),
    },
    in: {
      ...figures(back),
      ...(back.levelDb !== undefined && { levelDbfs: round(back.levelDb) }),
      ...(back.strongestHz !== undefined && { strongestHz: back.strongestHz }),
      ...(f.pictureIn && { picture: seen(f.pictureIn) }),
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

const shown = (p: PictureOut): Record<string, Json> => ({
  codec: p.codec,
  width: p.width,
  height: p.height,
  fps: round(p.fps),
  packets: p.packets,
  ...(p.lossPercent !== undefined && { lossPercent: round(p.lossPercent) }),
  reports: p.reports,
  reported: p.reported,
  keyframesAsked: p.keyframesAsked,
  ...(p.backMs !== undefined && { backMs: Math.round(p.backMs) }),
});

const seen = (p: PictureIn): Record<string, Json> => ({
  ...(p.codec !== undefined && { codec: p.codec }),
  packets: p.packets,
  ...(p.lossPercent !== undefined && { lossPercent: round(p.lossPercent) }),
  decoded: p.pictures > 0,
  pictures: p.pictures,
  broken: p.broken,
  ...(p.firstFrameMs !== undefined && { firstFrameMs: Math.round(p.firstFrameMs) }),
  ...(p.width !== undefined && { width: p.width }),
  ...(p.height !== undefined && { height: p.height }),
  ...(p.fps !== undefined && { fps: round(p.fps) }),
  freezes: p.freezes,
  keyframesAsked: p.keyframesAsked,
  ...(p.pattern && {
    pattern: {
      colour: p.pattern.colour,
      ...(p.pattern.delayMs !== undefined && { delayMs: Math.round(p.pattern.delayMs) }),
    },
  }),
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
    if (f.pictureOut) lines.push(`  picture out: ${outwards(f.pictureOut)}`);
    if (f.pictureIn) lines.push(`  picture in: ${inwards(f.pictureIn)}`);
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

function outwards(p: PictureOut): string {
  const loss = p.lossPercent === undefined ? '' : `, ${p.lossPercent.toFixed(1)} % lost`;
  const back = p.backMs === undefined ? '' : `, back here after ${Math.round(p.backMs)} ms`;
  const keys = p.keyframesAsked === 0 ? '' : `, keyframes asked of us ${p.keyframesAsked}`;
  const came = p.reported ? 'arrives' : 'nobody says that it arrives';
  return `${p.codec} ${p.width}×${p.height}, ${p.fps.toFixed(1)} a second, ${came}${loss}${keys}${back}`;
}

function inwards(p: PictureIn): string {
  if (p.packets === 0) return 'none; nobody else in the room shows one';
  const codec = p.codec ?? '?';
  if (p.pictures === 0) return `${codec}, ${p.packets} packets, none could be decoded`;
  const loss = p.lossPercent === undefined ? '' : `, ${p.lossPercent.toFixed(1)} % lost`;
  const broken = p.broken === 0 ? '' : `, ${p.broken} broken`;
  const first = p.firstFrameMs === undefined ? '' : `, the first after ${Math.round(p.firstFrameMs)} ms`;
  const pattern =
    p.pattern === undefined
      ? ''
      : `; the ${p.pattern.colour} test pattern${p.pattern.delayMs === undefined ? '' : `, ${Math.round(p.pattern.delayMs)} ms old by its clock`}`;
  return `${codec} ${p.width}×${p.height}, ${(p.fps ?? 0).toFixed(1)} a second, ${p.pictures} decoded${broken}${loss}, freezes ${p.freezes}${first}${pattern}`;
}
