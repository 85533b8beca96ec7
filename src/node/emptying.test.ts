import { beforeEach, describe, expect, it } from 'vitest';
import type { LegEvent, LegRequest } from '../contract.ts';
import { DesksWorld, HUNG_UP, pass, request, SHUTDOWN, settle, withAnother } from './desks-world.testing.ts';
import { subjects } from './subjects.ts';

let w: DesksWorld;
beforeEach(() => {
  w = new DesksWorld();
});

describe('a process that is told to stop', () => {
  /** `a2` of process `q` has the legs; `takes`: another process would take them now. */
  const stopping = async (more: Partial<LegRequest>, takes: () => boolean) => {
    const world = await withAnother(w);
    const events: LegEvent[] = [];
    const on = (e: LegEvent): void => void events.push(e);
    const never = new AbortController().signal;
    const placed = await world.w.legs.place(request('alice', more), on, never);
    await settle();
    const at = w.clock.now();
    let leftAfterMs: number | undefined;
    const left = world.other.leave({ process: 'q', takes, forMs: 2000 }).then(() => {
      leftAfterMs = w.clock.now() - at;
    });
    await settle();
    const end = async (): Promise<void> => {
      await left;
      await world.other.close(SHUTDOWN);
      await settle();
    };
    return { placed, events, left: () => leftAfterMs, end };
  };
  const closed = (events: readonly LegEvent[]) => events.filter(e => e.type === 'closed');

  it('ends its legs at once, in words, where nobody else takes them', async () => {
    const s = await stopping({ outlivesAgent: true }, () => false);
    expect(s.left()).toBe(0);
    await s.end();
    expect(s.events.map(e => e.type)).not.toContain('move');
    expect(closed(s.events)).toEqual([{ type: 'closed', why: SHUTDOWN }]);
    expect(w.states()).toEqual([]);
  });
  it('asks who outlives it to go on elsewhere, and waits no longer than for the last of them', async () => {
    const s = await stopping({ outlivesAgent: true }, () => true);
    expect(s.events.at(-1)).toEqual({ type: 'move' });
    await pass(w, 500);
    expect(s.left()).toBeUndefined();
    await w.bus.request(subjects.drain('a1'), { on: false }, { timeoutMs: 1000 });
    const anew = { leg: 'alice-again', begin: { type: 'make-offer' } } as const;
    const again = s.placed.again?.(anew, () => {}, new AbortController().signal);
    await settle();
    expect(await again).toMatchObject({ agent: 'a1', participant: 'alice' });
    s.placed.send({ type: 'close', why: HUNG_UP });
    await pass(w, 100);
    expect(s.left()).toBeLessThanOrEqual(700);
    await s.end();
    expect(w.states()).toEqual(['alice:here']);
    expect(w.gone).toEqual([]);
  });
  it('leaves a call that has not moved in time to its front, with its seat; and the room gives up whom that gives up', async () => {
    const s = await stopping({ outlivesAgent: true }, () => true);
    await pass(w, 2100);
    expect(s.left()).toBe(2000);
    await s.end();
    expect(closed(s.events)).toMatchObject([{ why: { blame: 'server', reason: 'agent-lost' } }]);
    expect(w.states()).toEqual(['alice:away']);
    s.placed.send({ type: 'close', why: HUNG_UP });
    expect(w.gone).toEqual(['alice']);
  });
  it('does not wait once the others take nobody either: all are told to stop', async () => {
    let takes = true;
    const s = await stopping({ outlivesAgent: true }, () => takes);
    await pass(w, 300);
    expect(s.left()).toBeUndefined();
    takes = false;
    await pass(w, 500);
    expect(s.left()).toBeDefined();
  });
  it('who hangs up meanwhile has left, and nobody waits for it', async () => {
    const s = await stopping({ outlivesAgent: true }, () => true);
    s.placed.send({ type: 'close', why: HUNG_UP });
    await pass(w, 100);
    await s.end();
    expect(closed(s.events)).toEqual([{ type: 'closed', why: HUNG_UP }]);
    expect(w.states()).toEqual([]);
  });
  it('leaves a member that comes back by itself its seat, too, when it has not moved in time', async () => {
    const s = await stopping({ returns: true, pin: 'a2' }, () => true);
    await pass(w, 2100);
    await s.end();
    expect(closed(s.events)).toMatchObject([{ why: { blame: 'server', reason: 'agent-lost' } }]);
    expect([w.states(), w.gone]).toEqual([['alice:away'], []]);
  });
  it('keeps the seat of a publisher that dials again with its ticket, and waits for nobody; it is told that the server ends', async () => {
    const s = await stopping(
      { pin: 'a2', roles: ['send'], who: { user: 'alice', proof: 'ticket' } },
      () => true,
    );
    expect(s.left()).toBe(0);
    await s.end();
    expect(closed(s.events)).toEqual([{ type: 'closed', why: SHUTDOWN }]);
    expect(w.states()).toEqual(['alice:away']);
  });
  it('but not of one that only claims its name: it would find it taken', async () => {
    const s = await stopping({ pin: 'a2', roles: ['send'] }, () => true);
    await s.end();
    expect(closed(s.events)).toEqual([{ type: 'closed', why: SHUTDOWN }]);
    expect(w.states()).toEqual([]);
  });
});
