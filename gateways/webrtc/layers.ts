/** What is known of one simulcast stream. */
export interface LayerFacts {
  /** Packets have come lately: browsers stop the large ones when their line is narrow. */
  readonly alive: boolean;
  readonly pixels: number;
  readonly bps: number;
}

/** To go up, there must be this much room: sizes differ by much more, and rates are noisy. */
const UPWARDS = 1.2;

/**
 * The stream to publish, by index: the largest that lives and fits into `capBps`, else the smallest that lives; the
 * current one when none does.
 */
export function chooseLayer(layers: readonly LayerFacts[], current: number, capBps: number): number {
  const living = [...layers.keys()].filter(i => layers[i]!.alive);
  if (living.length === 0) return current;
  living.sort((a, b) => sizeOf(layers[b]!) - sizeOf(layers[a]!));
  const now = layers[current];
  const fits = (i: number): boolean => {
    const upwards = now === undefined || sizeOf(layers[i]!) > sizeOf(now);
    return layers[i]!.bps * (upwards ? UPWARDS : 1) <= capBps;
  };
  return living.find(fits) ?? living.at(-1)!;
}

/** By picture size; of equal ones by bit rate. */
const sizeOf = ({ pixels, bps }: LayerFacts): number => pixels * 2 ** 30 + bps;
