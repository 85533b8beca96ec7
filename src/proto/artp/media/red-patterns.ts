/**
 * Which earlier packets a packet carries again: distances in sequence numbers, nearest first. The index of a pattern
 * travels in header extension 3, so an entry never changes its place; new ones are added at the end.
 *
 * 1…8: the last n. From 9: spread, so that one burst does not take a packet and all that repeats it.
 */
export const RED_PATTERNS: readonly (readonly number[])[] = [
  [],
  [1],
  [1, 2],
  [1, 2, 3],
  [1, 2, 3, 4],
  [1, 2, 3, 4, 5],
  [1, 2, 3, 4, 5, 6],
  [1, 2, 3, 4, 5, 6, 7],
  [1, 2, 3, 4, 5, 6, 7, 8],
  [2],
  [4],
  [8],
  [1, 4],
  [2, 4],
  [4, 8],
  [1, 2, 4],
  [1, 4, 8],
  [2, 4, 8],
  [1, 2, 4, 8],
  [2, 4, 8, 12],
  [4, 8, 12, 16],
  [1, 2, 4, 8, 12],
  [1, 4, 8, 12, 16],
  [1, 2, 4, 8, 12, 16],
];

/** The longest pattern, packets. */
export const MAX_BLOCKS = 8;
