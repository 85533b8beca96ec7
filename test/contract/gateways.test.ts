/**
 * What every gateway holds, whatever it speaks. A new one gets a file in `subjects/` and a word in the list below.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadCodecs } from '../../codecs/audio.ts';
import type { Json, LegCommand, LegEvent } from '../../src/contract.ts';
import { Refusal } from '../../src/kit/refusal.ts';
import { gateways } from '../../src/main.ts';
import { fakeHost } from '../harness/fakes.ts';
import { eventually } from '../harness/rtmp-site.ts';
import {
  added,
  CREDENTIAL,
  closedEvents,
  type HeldLeg,
  HUNG_UP,
  handles,
  packet,
  Stage,
  type Subject,
  settle,
} from './harness.ts';
import { echoes } from './subjects/echo.ts';
import { openMount } from './subjects/mount.ts';
import { natives } from './subjects/native.ts';
import { rtmps } from './subjects/rtmp.ts';
import { sips } from './subjects/sip.ts';
import { stomps } from './subjects/stomp.ts';
import { webrtcs } from './subjects/webrtc.ts';

const subjects: readonly Subject[] = [...echoes, ...sips, ...webrtcs, ...rtmps, ...stomps, ...natives];

/** A sentence tells a person what to do: a capital letter, words, an end. */
const SENTENCE = /^[A-Z"].* .*[.!]$/s;

let before: string[] = [];
let stage: Stage | undefined;

beforeEach(async () => {
  await loadCodecs(); // once a process: not a leg's doing
  before = handles();
});

/** Every test of this suite leaves the process as it found it: no socket, no timer, no watch of the clock. */
afterEach(async () => {
  const { clock } = stage ?? {};
  await stage?.close();
  stage = undefined;
  await eventually(() => added(before).length === 0, 'no socket or timer more than before');
  await eventually(() => (clock?.pending ?? 0) === 0, 'nothing armed on the clock');
});

describe.each(gateways)('the $name gateway', gateway => {
  it('is in this suite', () => {
    expect(subjects.map(s => s.gateway.name)).toContain(gateway.name);
  });

  it('has a strict config that {} fits and that describes every key', () => {
    expect(gateway.config.safeParse({}).success).toBe(true);
    for (const { at, shape } of objectsOf(z.toJSONSchema(gateway.config, { io: 'input' }) as Shape)) {
      expect(shape.additionalProperties, `unknown keys of ${at}`).toBe(false);
      for (const [key, child] of Object.entries(shape.properties ?? {}))
        expect(child.description, `description of ${at}.${key}`).toMatch(/\S/);
    }
    expect(gateway.config.safeParse({ 'no-such-key': 1 }).success).toBe(false);
  });
});

describe.each(gateways.filter(g => g.front))('the front of $name', gateway => {
  it('starts, and closes twice', async () => {
    const mount = await openMount();
    const host = fakeHost({ http: mount });
    const port =
      'port' in ((gateway.config.parse({}) ?? {}) as object) ? { port: 0, address: '127.0.0.1' } : {};
    const front = gateway.front!(host, gateway.config.parse(port));
    for (const { url, what } of await front.start()) expect(`${url} ${what}`).toMatch(/^\S+:\S+ .+/);
    await Promise.all([front.close(HUNG_UP), front.close(HUNG_UP)]);
    await mount.close();
  });
});

/** What happened to a leg before it is told to close. */
const states: readonly [name: string, prepare: (held: HeldLeg, s: Subject) => unknown][] = [
  ['as soon as it is taken', () => {}],
  ['once it is described', held => held.events.next('description')],
  ['once it is confirmed', held => held.leg.handle({ type: 'confirmed' })],
  ['while it is muted', held => held.leg.handle({ type: 'mute', media: 'audio', on: true })],
  ['while it negotiates', (held, s) => held.leg.handle(offer(5, s.hold ?? nativeOf(held)))],
  ['after it negotiated', (held, s) => answered(held, offer(5, s.hold ?? nativeOf(held)))],
  ['while it offers', held => held.leg.handle({ type: 'make-offer', id: 6, why: 'refresh' })],
  ['after it offered', held => answered(held, { type: 'make-offer', id: 6, why: 'refresh' })],
  ['after its peer took its offer back', held => held.leg.handle({ type: 'rollback', id: 0 })],
  ['while the room plays to it', held => play(held)],
];

describe.each(subjects)('a leg of $name', subject => {
  const join = async (config: Record<string, Json> = {}) => {
    stage = await Stage.open(subject, config);
    return await subject.join(stage);
  };

  it('is described once, with id 0, in plain JSON', async () => {
    const { held } = await join();
    await held.events.next('description');
    const described = held.events.all.filter(e => e.type === 'description');
    expect(described.map(e => e.id)).toEqual([0]);
    expect(JSON.parse(JSON.stringify(held.events.all))).toEqual(held.events.all);
  });

  it('becomes visible when its protocol says so, and not before', async () => {
    const { held } = await join();
    await held.events.next('description');
    expect(held.seat.isConfirmed).toBe(subject.confirmed === 'at-once');
    held.leg.handle({ type: 'confirmed' });
    if (subject.confirmed !== 'by-media') expect(held.seat.isConfirmed).toBe(true);
  });

  it('tells what it carries at any time', async () => {
    const { held } = await join();
    const check = (): void => {
      for (const line of held.leg.stats())
        expect(line).toMatchObject({
          direction: expect.stringMatching(/^(in|out)$/),
          codec: expect.any(String),
          packets: expect.any(Number),
        });
    };
    check();
    play(held);
    check();
    held.leg.handle({ type: 'close', why: HUNG_UP });
    check();
  });

  it.each(states)('closes %s', async (_name, prepare) => {
    const { held } = await join();
    await prepare(held, subject);
    held.leg.handle({ type: 'close', why: HUNG_UP });
    await expectGone(held);
    expect(closedEvents(held.events.all)[0]?.why).toMatchObject(HUNG_UP);
  });

  it('closes once, however often it is told, and hears nothing afterwards', async () => {
    const { held } = await join();
    play(held);
    held.leg.handle({ type: 'close', why: HUNG_UP });
    held.leg.handle({ type: 'close', why: { blame: 'server', reason: 'again' } });
    await expectGone(held);
    const told = held.events.all.length;
    for (const command of everyCommand(nativeOf(held))) held.leg.handle(command);
    play(held);
    await settle();
    expect(held.events.all.slice(told)).toEqual([]);
    await expectGone(held);
  });

  it('goes with its agent', async () => {
    const { held } = await join();
    await stage?.agent.close();
    await expectGone(held);
    expect(closedEvents(held.events.all)[0]?.why.text).toMatch(SENTENCE);
  });

  it('leaves nothing when its agent closes while it is being taken', async () => {
    stage = await Stage.open(subject);
    const joining = subject.join(stage).catch(() => {});
    await stage.agent.close();
    await joining;
    for (const { leg } of stage.legs) leg.handle({ type: 'close', why: HUNG_UP }); // as the desk does
    await settle();
    for (const held of stage.legs) await expectGone(held);
    for (const seat of stage.seats) expectEmpty(seat);
  });

  it('answers or refuses every further offer, and lives on', async () => {
    const { held } = await join();
    const more: LegCommand[] = [
      offer(11, nativeOf(held)),
      { type: 'make-offer', id: 12, why: 'refresh' },
      ...subject.bad.map((native, i) => offer(20 + i, native)),
    ];
    for (const command of more) {
      const answer = await answered(held, command);
      if (answer.type === 'refused') expect(answer.why.text).toMatch(SENTENCE);
      else expect((command as { id: number }).id).toBeLessThan(20);
    }
    expect(closedEvents(held.events.all)).toEqual([]);
    held.leg.handle({ type: 'close', why: HUNG_UP });
    await expectGone(held);
  });

  it('is refused in a sentence, and leaves nothing, when its offer is none', async () => {
    stage = await Stage.open(subject, { maxLegs: 1 });
    for (const native of subject.bad) {
      const refusal = await stage.place(stage.request({ type: 'offer', native })).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refusal, JSON.stringify(native)).toBeInstanceOf(Refusal);
      expect((refusal as Refusal).why.text).toMatch(SENTENCE);
    }
    await settle();
    expect(stage.strays).toEqual([]);
    for (const seat of stage.seats) expectEmpty(seat);
    const { held } = await subject.join(stage); // nothing of them is left to fill the agent
    held.leg.handle({ type: 'close', why: HUNG_UP });
  });

  it('makes an offer, or says that its protocol does not', async () => {
    stage = await Stage.open(subject);
    const made = await stage.place(stage.request({ type: 'make-offer' })).catch((error: unknown) => error);
    if (made instanceof Refusal) expect(made.why.text).toMatch(SENTENCE);
    else {
      expect(await (made as HeldLeg).events.next('description')).toMatchObject({ id: 0 });
      (made as HeldLeg).leg.handle({ type: 'close', why: HUNG_UP });
    }
  });

  it('is refused in words when the agent is full, and welcome when there is room again', async () => {
    const { held, hangUp } = await join({ maxLegs: 1 });
    expect(stage!.agent.capacity).toBe(1);
    await expect(subject.join(stage!)).rejects.toThrow(/\w+ \w+/);
    expect(stage!.legs).toHaveLength(1);
    held.leg.handle({ type: 'close', why: HUNG_UP });
    hangUp?.();
    await expectGone(held);
    // A leg with a socket of its own makes room when that is gone, too.
    let next: unknown;
    for (let tries = 0; tries < 100 && next === undefined; tries++) {
      await settle();
      next = await subject.join(stage!).catch(() => undefined);
    }
    expect(next).toBeDefined();
    stage!.legs.at(-1)!.leg.handle({ type: 'close', why: HUNG_UP });
  });

  it('never says its credential to a log, a ladder or a counter', async () => {
    const { held } = await join();
    for (const command of everyCommand(nativeOf(held))) held.leg.handle(command);
    await held.events.next('closed');
    await stage!.place(held.request).catch(() => {});
    for (const { leg } of stage!.legs) leg.handle({ type: 'close', why: HUNG_UP });
    await settle();
    expect(stage!.said.filter(line => line.includes(CREDENTIAL))).toEqual([]);
    expect(JSON.stringify(held.events.all)).not.toContain(CREDENTIAL);
  });

  it('comes from an agent that says what it can', async () => {
    stage = await Stage.open(subject);
    const { agent, addresses } = stage;
    expect(agent.capacity).toBeGreaterThan(0);
    for (const codec of agent.formats)
      expect(['opus', 'PCMU', 'PCMA', 'G722', 'AAC', 'H264', 'VP8']).toContain(codec);
    for (const { url, what } of addresses) expect(`${url} ${what}`).toMatch(/^\S+:\S+ .+/);
  });
});

describe.each([...rtmps, ...stomps])('a leg of $name, on a socket of its own', subject => {
  it('ends when its peer goes without a word', async () => {
    stage = await Stage.open(subject);
    const { held, hangUp } = await subject.join(stage);
    hangUp?.();
    await expectGone(held);
    expect(closedEvents(held.events.all)[0]?.why).toMatchObject({
      blame: 'client',
      reason: 'connection-lost',
    });
  });
});

const offer = (id: number, native: Json): LegCommand => ({ type: 'offer', id, native });

/** What the leg's first offer was; a leg that made its own has none. */
const nativeOf = ({ request: { begin } }: HeldLeg): Json => (begin.type === 'offer' ? begin.native : {});

type Answer = Extract<LegEvent, { type: 'description' | 'refused' }>;

/** Sends an offer, or asks for one, and waits for what comes of it. */
async function answered(held: HeldLeg, command: LegCommand): Promise<Answer> {
  const { id } = command as { id: number };
  const find = (): Answer | undefined =>
    held.events.all.find(
      (e): e is Answer => (e.type === 'description' || e.type === 'refused') && e.id === id,
    );
  held.leg.handle(command);
  await eventually(() => find() !== undefined, `an answer to ${JSON.stringify(command).slice(0, 200)}`, 5000);
  return find() as Answer;
}

/** What a room does to a leg that listens: says what comes, and sends it. */
function play({ seat }: HeldLeg): void {
  for (const { want, sink, on } of seat.subscriptions) {
    const format = want.kind === 'mix' ? want.codec : 'accept' in want ? want.accept[0] : undefined;
    if (format === undefined) continue;
    on({ type: 'serving', format, how: 'passthrough' });
    sink(packet(), 1000);
    on({ type: 'idle' });
  }
  for (const watcher of seat.watchers) watcher({ type: 'speaking', participants: ['bob'] });
}

const everyCommand = (native: Json): LegCommand[] => [
  offer(31, native),
  { type: 'answer', id: 31, native },
  { type: 'make-offer', id: 32, why: 'migrate' },
  { type: 'rollback', id: 32 },
  { type: 'candidates', native: {} },
  { type: 'confirmed' },
  { type: 'mute', media: 'audio', on: true },
  { type: 'mute', media: 'video', on: true },
  { type: 'mute', media: 'audio', on: false },
  { type: 'dtmf', digit: '5', ms: 100 },
  { type: 'close', why: HUNG_UP },
];

/** Exactly one `closed`, nothing after it, nothing of its seat in use. */
async function expectGone({ events, seat }: HeldLeg): Promise<void> {
  await events.next('closed');
  await settle();
  expect(closedEvents(events.all)).toHaveLength(1);
  expect(events.all.at(-1)?.type).toBe('closed');
  expectEmpty(seat);
}

function expectEmpty({ publications, subscriptions }: HeldLeg['seat']): void {
  expect(publications.filter(p => !p.closed).map(p => p.track.source)).toEqual([]);
  expect(subscriptions.filter(s => !s.closed).map(s => s.want.kind)).toEqual([]);
}

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
  readonly additionalProperties?: unknown;
  readonly description?: string;
}

/** Every object in a schema, with the path to it. */
function* objectsOf(shape: Shape, at = 'config'): Iterable<{ at: string; shape: Shape }> {
  if (shape.properties !== undefined) yield { at, shape };
  for (const [key, child] of Object.entries(shape.properties ?? {})) yield* objectsOf(child, `${at}.${key}`);
  for (const child of [shape.items, ...(shape.anyOf ?? [])])
    if (child !== undefined) yield* objectsOf(child, `${at}[]`);
}
