export interface TileSize {
  readonly width: number;
  readonly height: number;
}

/** As in the style sheet. */
const GAP_PX = 8;
/** Below this a face is not recognised: the tiles scroll instead. */
const LEAST_PX = 132;
const WIDE = 16 / 9;

/**
 * How large each of `count` tiles may be to fill `width` × `height` best, px: 16:9, down to squares where there is more
 * height than width. Pure.
 */
export function tileSize(count: number, width: number, height: number): TileSize {
  const narrowest = height > width ? 1 : WIDE;
  const across = (columns: number): number => Math.floor((width - GAP_PX * (columns - 1)) / columns);
  const fitting = (columns: number): TileSize => {
    const rows = Math.ceil(count / columns);
    const down = Math.floor((height - GAP_PX * (rows - 1)) / rows);
    const most = Math.min(across(columns), down * WIDE);
    return shaped(most, Math.min(down, most / narrowest));
  };
  let best: TileSize = { width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const tile = fitting(columns);
    if (tile.width * tile.height > best.width * best.height) best = tile;
  }
  if (best.width >= Math.min(LEAST_PX, width)) return best;
  const scrolling = across(Math.max(1, Math.floor((width + GAP_PX) / (LEAST_PX + GAP_PX))));
  return shaped(scrolling, scrolling / WIDE);
}

const shaped = (width: number, height: number): TileSize => ({
  width: Math.max(0, Math.floor(width)),
  height: Math.max(0, Math.floor(height)),
});
