/** So many separate losses make an onset: one outage, however long, is over when it is noticed. */
const LEAST_RUNS = 3;
/** Slots: what is looked at as the time since, and what there must be before. */
const LEAST_SLOTS = 15;
const MOST_SLOTS = 150;
/** More is lost than before by this share and by so many standard deviations: chance does not look like that. */
const GROWN = 0.05;
const SIGMAS = 4;

/**
 * The slot at which loss began, or grew, within the last 3 s; 0 when it did not. `lost`: 1 or 0 for each of `slots` slots.
 * Of all slots at which a row of losses begins it is the one where before and after differ most. Rows count for fewer than
 * they are long: of a Markov chain with correlation ρ the variance is (1 + ρ) / (1 − ρ) times as large, and the mean row is
 * 1 / ((1 − loss) (1 − ρ)).
 */
export function onsetOf(lost: (slot: number) => number, slots: number): number {
  let all = 0;
  for (let slot = 0; slot < slots; slot++) all += lost(slot);
  const loss = all / slots;
  let [since, runs, clearest, onset] = [0, 0, 1, 0];
  for (let n = 1; n <= MOST_SLOTS && n < slots - LEAST_SLOTS && since < all; n++) {
    const slot = slots - n;
    since += lost(slot);
    if (lost(slot) === 0 || lost(slot - 1) === 1) continue;
    if (++runs < LEAST_RUNS || n < LEAST_SLOTS) continue;
    const [lossAfter, lossBefore] = [since / n, (all - since) / (slots - n)];
    const clustering = Math.max(1, (2 * since * (1 - lossAfter)) / runs - 1);
    const deviation = Math.sqrt(loss * (1 - loss) * (1 / n + 1 / (slots - n)) * clustering);
    const clear = (lossAfter - lossBefore - GROWN) / (SIGMAS * deviation);
    if (clear > clearest) [clearest, onset] = [clear, slot];
  }
  return onset;
}
