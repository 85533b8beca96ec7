import type {
  DialStep,
  LadderStep,
  MemberInfo,
  Role,
  StreamStats,
  Termination,
  Ticket,
  TicketRequest,
  TrunkState,
} from '../../contract.ts';
import type { Impairment } from '../../kit/impairment.ts';
import type { ImpairmentWords } from '../../kit/impairment-words.ts';

interface RoomSettingsView {
  /** Never leaves the API; it says only whether there is one. */
  readonly pin?: string;
  readonly maxParticipants: number;
  readonly locked: boolean;
  readonly layout: 'speaker' | 'grid';
}

/** Absent keys stay as they are; `pin: null` removes the PIN. */
export interface SettingsPatch {
  readonly pin?: string | null | undefined;
  readonly maxParticipants?: number | undefined;
  readonly locked?: boolean | undefined;
  readonly layout?: 'speaker' | 'grid' | undefined;
}

export interface RoomView {
  readonly room: string;
  readonly participants: number;
  readonly settings: RoomSettingsView;
}

export interface LegView {
  readonly leg: string;
  readonly trace: string;
  readonly gateway: string;
  readonly direction: 'in' | 'out';
  readonly room: string;
  readonly participant?: string;
  readonly agent?: string;
  readonly roles: readonly Role[];
  readonly state: 'placing' | 'up' | 'ended';
  /** Unix ms. */
  readonly openedAt: number;
  readonly why?: Termination;
  readonly streams: readonly StreamStats[];
}

interface AgentView {
  readonly agent: string;
  readonly gateway: string;
  readonly process: string;
  readonly version: string;
  readonly region: string;
  readonly formats: readonly string[];
  readonly capacity: number;
  readonly legs: number;
  /** Legs as a share of the capacity, 0 to 1. */
  readonly load: number;
  readonly draining: boolean;
  readonly outOfService: boolean;
}

export interface CallAsk {
  readonly to: string;
  readonly trunk?: string | undefined;
  readonly display?: string | undefined;
  readonly timeoutMs?: number | undefined;
}

export interface CallView {
  readonly call: string;
  readonly room: string;
  readonly to: string;
  readonly leg: string;
  readonly state: DialStep['state'];
  readonly status?: number;
  readonly text: string;
  readonly openedAt: number;
  readonly steps: readonly DialStep[];
}

export interface DrillAsk {
  /** One of the two. */
  readonly room?: string;
  readonly leg?: string;
  readonly impairment: Impairment;
  readonly direction: 'both' | 'to-member' | 'from-member';
  readonly seconds: number;
}

export interface DrillView {
  readonly drill: string;
  readonly room: string;
  readonly leg?: string;
  readonly impairment: ImpairmentWords;
  readonly direction: DrillAsk['direction'];
  /** Unix ms. */
  readonly startedAt: number;
  readonly endsAt: number;
  readonly legs: readonly {
    readonly leg: string;
    readonly gateway: string;
    readonly participant: string;
    readonly impaired: boolean;
    /** Why it is not. */
    readonly text?: string;
  }[];
}

interface RouterView {
  readonly process: string;
  readonly region: string;
}

/** All paths from one router to another. */
export interface PairView {
  readonly from: RouterView;
  readonly to: RouterView;
  readonly paths: readonly {
    /** Process of the router between; absent: the direct path. */
    readonly via?: string;
    readonly use: 'chosen' | 'standby' | 'none';
    readonly state: 'alive' | 'doubt' | 'dead';
    readonly rttMs?: number;
    readonly oneWayMs?: number;
    readonly lossPercent: number;
    readonly score: number;
    readonly correlation: number;
  }[];
  readonly switchesLastHour: number;
  readonly text: string;
}

/** What the API needs of the platform. Undefined and false mean: there is no such thing. Refusals become problems. */
export interface ApiBackend {
  rooms(): Promise<readonly RoomView[]>;
  room(room: string): Promise<RoomView | undefined>;
  /** Also of a room that does not live yet: it will have them from its first member on. */
  settings(room: string, patch: SettingsPatch): Promise<RoomView>;
  endRoom(room: string): Promise<boolean>;
  participants(room: string): Promise<readonly MemberInfo[] | undefined>;
  kick(room: string, participant: string): Promise<boolean>;
  mute(room: string, participant: string, media: 'audio' | 'video', on: boolean): Promise<boolean>;
  legs(): Promise<readonly LegView[]>;
  leg(leg: string): Promise<LegView | undefined>;
  ladder(leg: string): Promise<readonly LadderStep[] | undefined>;
  agents(): Promise<readonly AgentView[]>;
  drain(agent: string, on: boolean): Promise<boolean>;
  outOfService(agent: string, on: boolean): Promise<boolean>;
  ticket(ask: TicketRequest): Promise<Ticket>;
  /** Refused (403) with the setting that would allow it. */
  dial(room: string, ask: CallAsk): Promise<CallView>;
  callsOf(room: string): Promise<readonly CallView[]>;
  cancelCall(call: string): Promise<boolean>;
  trunks(): Promise<readonly TrunkState[]>;
  /** Between routers. */
  paths(): Promise<readonly PairView[]>;
  /** A bad network on purpose. Refused when there is no such room or leg, or one runs there already. */
  drill(ask: DrillAsk): Promise<DrillView>;
  drills(): Promise<readonly DrillView[]>;
  stopDrill(drill: string): Promise<boolean>;
  /** Prometheus text of every process of the system. */
  metrics(): Promise<string>;
  /** `why` is a sentence when it is not. */
  ready(): Promise<{ readonly ready: boolean; readonly why?: string }>;
}
