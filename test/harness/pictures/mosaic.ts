import { fitInside, gridCells, type Size } from '../../../codecs/video/fit.ts';
import { type PatternSeen, type Pixels, readPattern } from '../../../codecs/video/pattern-read.ts';

/**
 * What the cells of a grid show, in their order, wherever a member's pattern is found; `sizes`: of the members'
 * pictures, which stand in the middle of their cells. `picture` has the shape of the grid.
 */
export function readGrid(picture: Pixels, cells: number, sizes: readonly Size[]): PatternSeen[] {
  return gridCells(cells, picture).flatMap(cell => {
    for (const size of sizes) {
      const seen = readPattern(picture, fitInside(size, cell));
      if (seen !== undefined) return [seen];
    }
    return [];
  });
}
