/** How many tiles stand side by side, and how wide they are, px. Pure. */
export interface Layout {
  readonly columns: number;
  readonly width: number;
}

export const GAP_PX = 8;
/** Below this a face is not recognised: the tiles scroll instead. */
const LEAST_PX = 132;
const SHAPE = 16 / 9;

/** The columns that make `count` tiles of 16:9 largest in `width` × `height`. */
export function layout(count: number, width: number, height: number): Layout {
  let best: Layout = { columns: 1, width: 0 };
  for (let columns = 1; columns <= Math.max(1, count); columns++) {
    const rows = Math.ceil(count / columns);
    const across = (width - GAP_PX * (columns - 1)) / columns;
    const down = ((height - GAP_PX * (rows - 1)) / rows) * SHAPE;
    const tile = Math.floor(Math.min(across, down));
    if (tile > best.width) best = { columns, width: tile };
  }
  if (best.width >= Math.min(LEAST_PX, width)) return best;
  const columns = Math.max(1, Math.floor((width + GAP_PX) / (LEAST_PX + GAP_PX)));
  return { columns, width: Math.floor((width - GAP_PX * (columns - 1)) / columns) };
}
