import type { MemberInfo, RoomEvent } from '../contract.ts';

/** All who watch one room from this process, over one watch of the link. A later one begins with the roster as it stands. */
export class RoomWatch {
  readonly #watchers = new Set<(e: RoomEvent) => void>();
  #members: Map<string, MemberInfo> | undefined;

  get size(): number {
    return this.#watchers.size;
  }

  /** Without a roster so far it waits for that, as the others do. */
  add(on: (e: RoomEvent) => void): () => void {
    const own = (e: RoomEvent): void => on(e); // the same function twice is two watches
    this.#watchers.add(own);
    if (this.#members !== undefined) own({ type: 'roster', members: [...this.#members.values()] });
    return () => void this.#watchers.delete(own);
  }

  told(e: RoomEvent): void {
    switch (e.type) {
      case 'roster':
        this.#members = new Map(e.members.map(m => [m.participant, m]));
        break;
      case 'member':
        this.#members?.set(e.member.participant, e.member);
        break;
      case 'left':
        this.#members?.delete(e.participant);
    }
    for (const watcher of this.#watchers) watcher(e);
  }

  /** The link tells no more: what is known grows old. */
  forget(): void {
    this.#members = undefined;
  }
}
