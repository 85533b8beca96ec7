import { by, make } from './dom.ts';
import { tileSize } from './layout.ts';
import type { Person } from './roster.ts';
import { Tile } from './tile.ts';
import { say } from './words.ts';

/** More than these would be stamps; the others are counted, and all are in the list. */
const MAX_TILES = 16;
/** Padding of the list, for the ring of who speaks. */
const RIM_PX = 4;

export interface Pictures {
  /** What a member sends, or one's own camera. */
  of(person: Person): MediaStream | undefined;
  /** Nothing comes in this slot now. */
  still(slot: number): boolean;
}

/** All members, each in a tile as large as there is room for. */
export class Tiles {
  readonly #list = by('tiles');
  readonly #tiles = new Map<string, Tile>();
  readonly #more = make('li', 'tile more');
  #shown: readonly string[] = [];

  constructor() {
    new ResizeObserver(() => this.#arrange()).observe(this.#list);
  }

  draw(people: readonly Person[], pictures: Pictures): void {
    const chosen = choose(people, new Set(this.#shown));
    const names = chosen.map(p => p.member.participant);
    for (const [name, tile] of this.#tiles)
      if (!names.includes(name)) {
        tile.remove();
        this.#tiles.delete(name);
      }
    for (const person of chosen) {
      const name = person.member.participant;
      let tile = this.#tiles.get(name);
      if (tile === undefined) this.#tiles.set(name, (tile = new Tile(name)));
      tile.draw(person, pictures.of(person), person.slot !== undefined && pictures.still(person.slot));
    }
    const rest = people.length - chosen.length;
    this.#more.textContent = say('more', { n: rest });
    const elements = [
      ...names.map(n => (this.#tiles.get(n) as Tile).element),
      ...(rest > 0 ? [this.#more] : []),
    ];
    // What stays in place is not touched: a moved video begins anew.
    for (const [i, e] of elements.entries()) {
      const there = this.#list.children[i];
      if (there !== e) this.#list.insertBefore(e, there ?? null);
    }
    if (rest === 0) this.#more.remove();
    this.#shown = names;
    this.#arrange();
  }

  clear(): void {
    for (const tile of this.#tiles.values()) tile.remove();
    this.#tiles.clear();
    this.#more.remove();
    this.#shown = [];
  }

  #arrange(): void {
    const { clientWidth, clientHeight } = this.#list;
    const { children } = this.#list;
    const size = tileSize(children.length, clientWidth - 2 * RIM_PX, clientHeight - 2 * RIM_PX);
    this.#list.style.setProperty('--width', `${size.width}px`);
    this.#list.style.setProperty('--height', `${size.height}px`);
  }
}

/** Who has a tile: oneself, who speaks, who has a picture, who had one before; in the order of joining. */
function choose(people: readonly Person[], before: ReadonlySet<string>): Person[] {
  if (people.length <= MAX_TILES) return [...people];
  const weight = (p: Person): number =>
    8 * Number(p.self) +
    4 * Number(p.speaks) +
    2 * Number(p.slot !== undefined) +
    Number(before.has(p.member.participant));
  const ranked = [...people].sort((a, b) => weight(b) - weight(a));
  const kept = new Set(ranked.slice(0, MAX_TILES - 1));
  return people.filter(p => kept.has(p));
}
