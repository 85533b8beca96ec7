import { NO_TAG } from '../proto/artp/relay/connection-id.ts';
import type { PathView } from './peer-link.ts';
import type { PairView } from './router.ts';

/** What a router is called in reports. */
export interface RouterName {
  readonly process: string;
  readonly region: string;
}

export interface PathReport {
  /** Process of the router between; absent: the direct path. */
  readonly via?: string;
  readonly use: 'chosen' | 'standby' | 'none';
  readonly state: PathView['state'];
  readonly rttMs?: number;
  /** This direction, reckoned. */
  readonly oneWayMs?: number;
  readonly lossPercent: number;
  /** Predicted opinion score of the best policy on it. */
  readonly score: number;
  /** How much its losses are those of the chosen path, −1 to 1. */
  readonly correlation: number;
}

/** One pair of routers, one direction. Plain JSON. */
export interface PairReport {
  readonly from: RouterName;
  readonly to: RouterName;
  readonly paths: readonly PathReport[];
  readonly switchesLastHour: number;
  /** The same in a sentence. */
  readonly text: string;
}

const tenth = (n: number): number => Math.round(n * 10) / 10;
const hundredth = (n: number): number => Math.round(n * 100) / 100;

export function pairReport(
  from: RouterName,
  pair: PairView,
  nameOf: (tag: number) => RouterName | undefined,
): PairReport {
  const name = (tag: number): string => nameOf(tag)?.process ?? 'unknown';
  const paths = pair.paths.map(p => ({
    ...(p.via !== NO_TAG && { via: name(p.via) }),
    use:
      p.via === pair.chosen
        ? ('chosen' as const)
        : p.via === pair.standby
          ? ('standby' as const)
          : ('none' as const),
    state: p.state,
    ...(p.rttMs !== undefined && { rttMs: tenth(p.rttMs) }),
    ...(p.oneWayMs !== undefined && { oneWayMs: tenth(p.oneWayMs) }),
    lossPercent: tenth(100 * p.loss),
    score: hundredth(p.score),
    correlation: hundredth(p.correlation),
  }));
  const { switchesLastHour } = pair;
  const to = nameOf(pair.tag) ?? { process: 'unknown', region: 'unknown' };
  return { from, to, paths, switchesLastHour, text: inWords(to, paths, switchesLastHour) };
}

function inWords(to: RouterName, paths: readonly PathReport[], switches: number): string {
  const chosen = paths.find(p => p.use === 'chosen');
  const standby = paths.find(p => p.use === 'standby');
  const where = (p: PathReport): string =>
    p.via === undefined ? 'the direct path' : `the path by router ${p.via}`;
  const how = (p: PathReport): string =>
    p.state === 'dead'
      ? 'nothing passes there now'
      : `${p.oneWayMs ?? '?'} ms one way, ${p.lossPercent} % lost, score ${p.score}`;
  const taken = chosen === undefined ? 'no path' : `${where(chosen)} (${how(chosen)})`;
  const hot =
    standby === undefined
      ? 'no other path is alive'
      : `${where(standby)} stands by (${how(standby)}; its losses correlate ${standby.correlation} with those of the path taken)`;
  const times = switches === 1 ? '1 switch' : `${switches} switches`;
  return `To router ${to.process} in ${to.region} traffic takes ${taken}; ${hot}; ${times} in the last hour.`;
}
