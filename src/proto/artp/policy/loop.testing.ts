import { ImpairedLink, type Impairment } from '../../../kit/impairment.ts';
import { type Rtcp, readRtcp, writeRtcp } from '../../rtp/rtcp.ts';
import type { AudioPolicy, MediaPolicy } from '../media/policy-types.ts';
import { RED_PATTERNS } from '../media/red-patterns.ts';
import { LossRecorder } from '../rate/loss-recorder.ts';
import { PathMeter } from '../rate/path-meter.ts';
import type { Choice } from './choice.ts';
import { choosePolicy } from './choose.ts';
import { OVERHEAD_BYTES, redBytes } from './cost.ts';
import { PolicyHolder } from './holder.ts';

export interface LoopOptions {
  readonly seed: number;
  /** One for each path; both directions of it, with luck of their own. */
  readonly links: readonly Impairment[];
  readonly budgetMs?: number;
  readonly sourceBps?: number;
  readonly seconds: number;
  /** Ticks before this are not counted. */
  readonly from?: number;
  /** Changes the links on the way. */
  readonly change?: { readonly atS: number; readonly links: readonly Impairment[] };
}

export interface LoopResult {
  /** Share of ticks that never came within the delay their policy allows. */
  readonly residual: number;
  /** Sent on all paths, all headers and feedback of this direction counted. */
  readonly bitrateBps: number;
  readonly feedbackBps: number;
  readonly policies: ReadonlyMap<string, number>;
  readonly choice: Choice | undefined;
  readonly meters: readonly PathMeter[];
  readonly largestReport: number;
  /** By second. */
  readonly sentBps: readonly number[];
  readonly rates: readonly number[];
}

interface Datagram {
  readonly path: number;
  readonly sequence: number;
  readonly sendTime: number;
  /** Ticks it carries; a report carries none. */
  readonly ticks: readonly number[];
  readonly rtcp?: Buffer;
}

const TICK_MS = 20;
const CHOOSE_MS = 200;
const FEEDBACK_BYTES = 28 + 30 + 7;

/**
 * A speaker, the policy and the paths in one loop, virtual time: packets carry ticks, the far end keeps the record and its
 * reports come back over links that are as bad. What a session does, without its keys, states and messages.
 */
export function loop(o: LoopOptions): LoopResult {
  const budgetMs = o.budgetMs ?? 100;
  const sourceBps = o.sourceBps ?? 24_000;
  const payload = Math.ceil((sourceBps * TICK_MS) / 8000);
  const forward = o.links.map((l, i) => new ImpairedLink<Datagram>(o.seed * 100 + i, l));
  const back = o.links.map((l, i) => new ImpairedLink<Datagram>(o.seed * 100 + 50 + i, l));
  const meters = o.links.map((_, i) => new PathMeter(i));
  const recorders = o.links.map((_, i) => new LossRecorder(i));
  const holder = new PolicyHolder();
  const sequences = o.links.map(() => 65_000);
  const cameAt = new Map<number, number>();
  const policies = new Map<string, number>();
  const sentBps: number[] = [];
  const rates: number[] = [];
  let choice: Choice | undefined;
  let [bytesSent, bytesFed, largestReport] = [0, 0, 0];
  const outbox: { at: number; path: number; ticks: number[]; bytes: number }[] = [];
  const ticks = (o.seconds * 1000) / TICK_MS;
  const countFrom = ((o.from ?? 0) * 1000) / TICK_MS;

  const transmit = (path: number, ticksIn: number[], bytes: number, now: number): void => {
    const sequence = (sequences[path]! = (sequences[path]! + 1) & 0xffff);
    meters[path]!.sent(sequence, bytes, now);
    sentBps[Math.floor(now / 1000)] = (sentBps[Math.floor(now / 1000)] ?? 0) + bytes * 8;
    if (now >= (o.from ?? 0) * 1000) bytesSent += bytes;
    const packet = { path, sequence, sendTime: Math.floor(now * 262.144) % 2 ** 24, ticks: ticksIn };
    forward[path]!.handle({ type: 'packet', packet, bytes }, now);
  };
  const say = (tick: number, now: number): void => {
    const policy = (choice?.policy ?? {
      kind: 'audio',
      pattern: 2,
      copies: 1,
      twoPaths: false,
    }) as AudioPolicy;
    const distances = RED_PATTERNS[policy.pattern]!;
    const carried = [tick, ...distances.map(d => tick - d)].filter(t => t >= 0);
    const bytes = redBytes(distances.length, payload) + OVERHEAD_BYTES;
    const name = `RED${distances.join(',')} ×${policy.copies}${policy.twoPaths ? ' both' : ''}`;
    policies.set(name, (policies.get(name) ?? 0) + 1);
    for (const path of policy.twoPaths ? [0, 1] : [0])
      for (let c = 0; c < policy.copies; c++)
        outbox.push({ at: now + (policy.atOnce ? 0 : c * 5), path, ticks: carried, bytes });
    // A standby is probed, or nothing would be known of it.
    if (!policy.twoPaths && o.links.length > 1 && tick % 10 === 0)
      outbox.push({ at: now, path: 1, ticks: [], bytes: 80 });
  };

  for (let now = 0; now < o.seconds * 1000; now += 5) {
    if (o.change && now === o.change.atS * 1000)
      o.change.links.forEach((impairment, i) => {
        forward[i]!.handle({ type: 'set', impairment }, now);
        back[i]!.handle({ type: 'set', impairment }, now);
      });
    if (now % TICK_MS === 0) say(now / TICK_MS, now);
    for (let i = 0; i < outbox.length; i++)
      if (outbox[i]!.at <= now) {
        const [d] = outbox.splice(i--, 1);
        transmit(d!.path, d!.ticks, d!.bytes, now);
      }
    forward.forEach((link, path) => {
      link.handle({ type: 'tick' }, now);
      for (let d = link.poll(); d; d = link.poll()) {
        recorders[path]!.note(d.sequence, d.sendTime, now);
        for (const tick of d.ticks) if (!cameAt.has(tick)) cameAt.set(tick, now);
      }
      const report = recorders[path]!.report(7, now);
      if (!report) return;
      const rtcp = writeRtcp(report);
      largestReport = Math.max(largestReport, rtcp.length);
      bytesFed += rtcp.length + FEEDBACK_BYTES;
      const packet = { path, sequence: 0, sendTime: 0, ticks: [], rtcp };
      back[path]!.handle({ type: 'packet', packet, bytes: rtcp.length + FEEDBACK_BYTES }, now);
    });
    for (const link of back) {
      link.handle({ type: 'tick' }, now);
      for (let d = link.poll(); d; d = link.poll())
        for (const part of readRtcp(d.rtcp!) as Rtcp[]) for (const meter of meters) meter.handle(part, now);
    }
    if (now % 1000 === 0) rates.push(meters[0]!.rateBps);
    if (now % CHOOSE_MS !== 0) continue;
    const held = holder.held?.policy as MediaPolicy | undefined;
    const chosen = choosePolicy({
      media: 'audio',
      paths: meters.map(m => m.view(now)),
      rttMs: meters[0]!.rttMs,
      budgetMs,
      sourceBps,
      packetMs: TICK_MS,
      availableBps: meters[0]!.trialBps(now),
      ...(held ? { held } : {}),
    });
    choice = holder.update(chosen, now);
  }

  let missing = 0;
  const last = ticks - 100;
  const transit = (o.change?.links ?? o.links)[0]!;
  const allowed =
    budgetMs + (transit.delayMs ?? 0) + (transit.jitterMs ?? 0) + (transit.rateBps ? 250 : 0) + 5;
  for (let tick = countFrom; tick < last; tick++) {
    const at = cameAt.get(tick);
    if (at === undefined || at - tick * TICK_MS > allowed) missing++;
  }
  const seconds = o.seconds - (o.from ?? 0);
  return {
    residual: missing / (last - countFrom),
    bitrateBps: (bytesSent * 8) / seconds,
    feedbackBps: (bytesFed * 8) / o.seconds,
    policies,
    choice,
    meters,
    largestReport,
    sentBps,
    rates,
  };
}
