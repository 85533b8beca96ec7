/**
 * `totalBps` shared among streams that now have these rates: who needs less than an equal part leaves the rest to the
 * others, but keeps the right to that part. Together the shares may exceed the total: rates change, and a stream is
 * only lowered for being above its share.
 */
export function shareBps(totalBps: number, rates: readonly number[]): number[] {
  const byRate = [...rates.keys()].sort((a, b) => rates[a]! - rates[b]!);
  const shares = new Array<number>(rates.length).fill(0);
  let rest = totalBps;
  for (const [done, i] of byRate.entries()) {
    const equal = rest / (rates.length - done);
    shares[i] = equal;
    rest -= Math.min(equal, rates[i]!);
  }
  return shares;
}
