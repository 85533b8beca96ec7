import type { PathView } from './path-meter.ts';

/** Fewer common slots say nothing. */
const LEAST_SLOTS = 20;

/**
 * How much two paths fail together: correlation (−1 … 1) of the shares lost in slots of `slotMs` in which both carried
 * something. The most disjoint standby is the least correlated. Undefined: too little in common to tell; 0: one of them
 * lost nothing or everything.
 */
export function correlation(a: PathView, b: PathView, slotMs = 20): number | undefined {
  const sharesOf = (view: PathView): Map<number, { lost: number; sent: number }> => {
    const shares = new Map<number, { lost: number; sent: number }>();
    for (let i = 0; i < view.lost.length; i++) {
      const slot = Math.floor(view.sentAt[i]! / slotMs);
      const s = shares.get(slot) ?? { lost: 0, sent: 0 };
      s.sent++;
      s.lost += view.lost[i]!;
      shares.set(slot, s);
    }
    return shares;
  };
  const [left, right] = [sharesOf(a), sharesOf(b)];
  let [n, x, y, xx, yy, xy] = [0, 0, 0, 0, 0, 0];
  for (const [slot, l] of left) {
    const r = right.get(slot);
    if (r === undefined) continue;
    const [p, q] = [l.lost / l.sent, r.lost / r.sent];
    n++;
    x += p;
    y += q;
    xx += p * p;
    yy += q * q;
    xy += p * q;
  }
  if (n < LEAST_SLOTS) return undefined;
  const spread = Math.sqrt((n * xx - x * x) * (n * yy - y * y));
  return spread > 0 ? (n * xy - x * y) / spread : 0;
}
