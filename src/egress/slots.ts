/**
 * Which member each of `of` slots carries, as one listener has them. With few members each has a slot for good;
 * with more, who speaks takes the slot of whoever has been silent longest. A member never moves while it has one.
 */
export class Slots {
  readonly #slots: (string | undefined)[];
  /** When each member was last among the speakers, counted in updates. */
  readonly #spoke = new Map<string, number>();
  #update = 0;

  constructor(of: number) {
    this.#slots = new Array<string | undefined>(of).fill(undefined);
  }

  get(slot: number): string | undefined {
    return this.#slots[slot];
  }

  has(member: string): boolean {
    return this.#slots.includes(member);
  }

  /** `members`: everyone who has sound (a camera), but the listener. `speakers`: who speaks, loudest first. */
  assign(members: ReadonlySet<string>, speakers: readonly string[]): void {
    this.#update++;
    for (const member of this.#spoke.keys()) if (!members.has(member)) this.#spoke.delete(member);
    for (const [i, member] of this.#slots.entries())
      if (member !== undefined && !members.has(member)) this.#slots[i] = undefined;
    const loudest = speakers.filter(p => members.has(p)).slice(0, this.#slots.length);
    for (const member of loudest) this.#spoke.set(member, this.#update);
    for (const member of [...loudest, ...members]) this.#seat(member, loudest);
  }

  /** Gives `member` a free slot or, when it speaks, that of the one silent longest. */
  #seat(member: string, loudest: readonly string[]): void {
    if (this.#slots.includes(member)) return;
    const free = this.#slots.indexOf(undefined);
    const slot = free >= 0 || !loudest.includes(member) ? free : this.#oldest(loudest);
    if (slot >= 0) this.#slots[slot] = member;
  }

  #oldest(loudest: readonly string[]): number {
    let oldest = -1;
    for (const [i, member] of this.#slots.entries()) {
      if (member === undefined || loudest.includes(member)) continue;
      if (oldest < 0 || this.#spokeAt(i) < this.#spokeAt(oldest)) oldest = i;
    }
    return oldest;
  }

  #spokeAt(slot: number): number {
    return this.#spoke.get(this.#slots[slot] as string) ?? 0;
  }
}
