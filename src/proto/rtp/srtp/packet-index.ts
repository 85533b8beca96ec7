/** RFC 3711 §3.3.1 and appendix A: the index with this sequence number nearest to `highest`; may be negative. */
export function nearestIndex(highest: number, seq: number): number {
  const base = highest - (highest % 0x10000);
  const step = seq - (highest % 0x10000);
  if (step < -0x8000) return base + 0x10000 + seq;
  if (step > 0x8000) return base - 0x10000 + seq;
  return base + seq;
}
