/** Edits (insert, delete, replace, swap of neighbours) between two words: optimal string alignment distance. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(row[j - 1]! + 1, last[j]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}

/** What was probably meant: the word of `known` within a third of its length in edits, case ignored; else undefined. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestCost = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const longest = Math.max(word.length, candidate.length);
    if (longest > 200) continue;
    const cost = edits(word.toLowerCase(), candidate.toLowerCase());
    if (cost <= Math.max(1, Math.floor(longest / 3)) && cost < bestCost) [best, bestCost] = [candidate, cost];
  }
  return best;
}
