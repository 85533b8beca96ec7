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
  readonly draining: boolean;
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
  drain(agent: string): Promise<boolean>;
  ticket(ask: TicketRequest): Promise<Ticket>;
  /** Refused (403) with the setting that would allow it. */
  dial(room: string, ask: CallAsk): Promise<CallView>;
  callsOf(room: string): Promise<readonly CallView[]>;
  cancelCall(call: string): Promise<boolean>;
  trunks(): Promise<readonly TrunkState[]>;
  /** Prometheus text of every process of the system. */
  metrics(): Promise<string>;
  /** `why` is a sentence when it is not. */
  ready(): Promise<{ readonly ready: boolean; readonly why?: string }>;
}
