import { randomUUID } from 'node:crypto';
import type { Bus } from '../bus/port.ts';
import type { Json, MemberInfo, Termination, Ticket, TicketRequest } from '../contract.ts';
import { Refusal, refuse } from '../kit/refusal.ts';
import type { ApiBackend, LegView, RoomView, SettingsPatch } from '../ops/api/backend.ts';
import { Metrics } from '../ops/metrics.ts';
import type { RoomSettings } from '../room/settings.ts';
import type { CallRecord } from './dial-desk.ts';
import type { DrillDesk } from './drill-desk.ts';
import type { LegRecord } from './held-leg.ts';
import type { Mesh } from './mesh.ts';
import {
  allCalls,
  allDrills,
  allLegs,
  allMetrics,
  allPaths,
  allTrunks,
  cancelCall,
  ladderOf,
  stopDrill,
} from './process-service.ts';
import type { RoomFinder } from './room-finder.ts';
import type { RoomSummary } from './room-node.ts';
import { subjects } from './subjects.ts';

export interface BackendOptions {
  readonly mesh: Mesh;
  readonly bus: Bus;
  readonly finder: RoomFinder;
  readonly drills: DrillDesk;
  readonly ticket: (ask: TicketRequest) => Promise<Ticket>;
  /** A sentence when no new legs are welcome. */
  readonly notReady: () => string | undefined;
}

const KICKED: Termination = {
  blame: 'none',
  reason: 'kicked',
  text: 'The host has removed you from this room.',
};
const ENDED: Termination = {
  blame: 'none',
  reason: 'room-ended-by-host',
  text: 'The host has ended this meeting.',
};

const WITHDRAWN: Termination = {
  blame: 'none',
  reason: 'withdrawn-by-host',
  text: 'The host has ended this call.',
};

/** The platform as the HTTP API sees it: asks the processes that know. */
export function createBackend({ mesh, bus, finder, drills, ticket, notReady }: BackendOptions): ApiBackend {
  let isDown = false;
  bus.onState(state => {
    isDown = state === 'down';
  });
  /** False: nobody knows that agent. */
  const order = async (subject: string, agent: string, on: boolean): Promise<boolean> => {
    const known = [...mesh.table.processes()].some(p => p.agents.some(a => a.agent === agent));
    if (known) await bus.request(subject, { on }, { timeoutMs: 2000 });
    return known;
  };
  const legs = async (): Promise<LegView[]> => (await allLegs(mesh, bus)).map(legView);
  return {
    rooms: async () => (await finder.askAll<RoomSummary[]>({ type: 'rooms' })).flat().map(roomView),
    room: async room => {
      const summary = await finder.ask<RoomSummary>({ type: 'room', room });
      return summary.participants > 0 ? roomView(summary) : undefined;
    },
    settings: async (room, patch) => {
      await finder.ask({ type: 'set', room, patch: settingsOf(patch) });
      return roomView(await finder.ask<RoomSummary>({ type: 'room', room }));
    },
    endRoom: room => found(finder.ask({ type: 'end', room, why: ENDED })),
    participants: async room => {
      const members = await finder.ask<MemberInfo[]>({ type: 'members', room });
      return members.length > 0 ? members : undefined;
    },
    kick: (room, participant) => found(finder.ask({ type: 'kick', room, participant, why: KICKED })),
    mute: (room, participant, media, on) => found(finder.ask({ type: 'mute', room, participant, media, on })),
    legs,
    leg: async id => (await legs()).find(l => l.leg === id),
    ladder: leg => ladderOf(mesh, bus, leg),
    agents: async () =>
      [...mesh.table.processes()].flatMap(p =>
        p.agents.map(a => ({
          ...a,
          outOfService: a.outOfService === true,
          load: Math.round((100 * a.legs) / Math.max(1, a.capacity)) / 100,
          process: p.process,
          version: p.version,
          region: p.region,
        })),
      ),
    drain: (agent, on) => order(subjects.drain(agent), agent, on),
    outOfService: (agent, on) => order(subjects.outOfService(agent), agent, on),
    ticket,
    dial: async (room, ask) => {
      const given = Object.fromEntries(Object.entries(ask).filter(([, value]) => value !== undefined));
      const request = { call: `call-${randomUUID()}`, room, ...given };
      return (await askFront(bus, request)) as unknown as CallRecord;
    },
    callsOf: async room => (await allCalls(mesh, bus)).filter(c => c.room === room),
    cancelCall: call => cancelCall(mesh, bus, call, WITHDRAWN),
    trunks: () => allTrunks(mesh, bus),
    paths: () => allPaths(mesh, bus),
    drill: ask => drills.start(ask),
    drills: () => allDrills(mesh, bus),
    stopDrill: drill => stopDrill(mesh, bus, drill),
    metrics: async () => Metrics.merge(await allMetrics(mesh, bus)),
    ready: async () => {
      const why =
        notReady() ??
        (isDown ? 'The bus between the processes is down; it is being reconnected.' : undefined);
      return why === undefined ? { ready: true } : { ready: false, why };
    },
  };
}

async function askFront(bus: Bus, request: Json): Promise<Json> {
  try {
    return await bus.request(subjects.dial, request, { timeoutMs: 5000 });
  } catch (error) {
    if (!(error instanceof Refusal) || error.why.reason !== 'no-responder') throw error;
    throw refuse(
      'server',
      'no-front',
      'No process that can call out is alive: start one with the role front.',
    );
  }
}

const MISSING = new Set(['no-such-room', 'no-such-participant']);

/** False when there is no such thing; other refusals go on. */
async function found(answer: Promise<unknown>): Promise<boolean> {
  try {
    await answer;
    return true;
  } catch (error) {
    if (error instanceof Refusal && MISSING.has(error.why.reason)) return false;
    throw error;
  }
}

const roomView = ({ room, participants, settings }: RoomSummary): RoomView => ({
  room,
  participants,
  settings: { ...settings, ...(settings.pin !== undefined && { pin: '***' }) },
});

const legView = (r: LegRecord): LegView => ({
  leg: r.leg,
  trace: r.trace,
  gateway: r.gateway,
  direction: r.direction,
  room: r.room,
  participant: r.participant,
  agent: r.agent,
  roles: r.roles,
  state: r.participant === '' ? 'placing' : 'up',
  openedAt: r.since,
  streams: r.streams,
});

/** Undefined keys are left out, `pin: null` removes the PIN: JSON on the bus has no undefined. */
const settingsOf = (patch: SettingsPatch): { [K in keyof RoomSettings]?: RoomSettings[K] | null } =>
  Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
