import { refuse } from '../kit/refusal.ts';
import type { RoomSettings } from '../room/settings.ts';
import type { RoomStore } from './room-store.ts';

/** Absent keys stay as they are, null removes one. */
export type SettingsPatch = { readonly [K in keyof RoomSettings]?: RoomSettings[K] | null };

/** The settings of rooms, hosted or not: they outlive the room and this process. */
export class KeptSettings {
  readonly #store: RoomStore;
  readonly #limits: { readonly maxRooms: number; readonly maxParticipants: number };

  /** Settings are kept for `maxRooms` rooms; one without has `maxParticipants`. */
  constructor(store: RoomStore, limits: { readonly maxRooms: number; readonly maxParticipants: number }) {
    this.#store = store;
    this.#limits = limits;
  }

  get defaults(): RoomSettings {
    return { maxParticipants: this.#limits.maxParticipants, locked: false, layout: 'speaker' };
  }

  async of(room: string): Promise<RoomSettings> {
    return (await this.#store.settings(room)) ?? this.defaults;
  }

  /** Answers with the whole. */
  async patch(room: string, patch: SettingsPatch): Promise<RoomSettings> {
    const { maxRooms } = this.#limits;
    const before = await this.#store.settings(room);
    const entries = Object.entries({ ...(before ?? this.defaults), ...patch }).filter(
      ([, value]) => value !== null,
    );
    const settings = Object.fromEntries(entries) as unknown as RoomSettings;
    if (before === undefined && (await this.#store.countSettings()) >= maxRooms)
      throw refuse('server', 'too-many-rooms', `Settings are kept for ${maxRooms} rooms at most.`);
    await this.#store.saveSettings(room, settings);
    return settings;
  }
}
