import type { Format, Json, NewTrack, RoomEvent, Termination, TrackInfo } from '../contract.ts';
import { type Core, type Millis, NEVER, type Tick } from '../kit/core.ts';
import { Refusal, refuse, terminationOf } from '../kit/refusal.ts';
import type { SourceEvent, TrackState } from '../media/room-source.ts';
import type { SpeakerDetector } from '../media/speaker-detector.ts';
import { admit, findParticipant } from './admission.ts';
import type { Bans } from './bans.ts';
import {
  cleanName,
  freeName,
  isAudio,
  isSignalling,
  Participant,
  type RoomLeg,
  type RoomTrack,
} from './participant.ts';
import { PinTries } from './pin-tries.ts';
import type { JoinAsk, Joined, LegNotice, Reclaim } from './port.ts';
import { restoreMember, type SavedMember, saveMembers } from './saved.ts';
import type { RoomSettings, RoomTimes } from './settings.ts';
import { Speakers } from './speakers.ts';

export type RoomInput =
  /** `secret` is fresh randomness, used when the leg founds a participant. */
  | { type: 'join'; ask: JoinAsk; secret: string }
  | { type: 'confirmed'; leg: string }
  | { type: 'absent'; leg: string; on: boolean }
  | { type: 'leave'; leg: string; why: Termination }
  /** Its front says that this leg will never return: a participant away because of it leaves at once. */
  | { type: 'gone'; leg: string; why: Termination }
  | { type: 'track'; leg: string; id: string; track: NewTrack }
  | { type: 'format'; id: string; format: Format }
  | { type: 'pause'; id: string; on: boolean }
  | { type: 'untrack'; id: string }
  | { type: 'mute'; participant: string; media: 'audio' | 'video'; on: boolean }
  | { type: 'kick'; participant: string; why: Termination }
  | { type: 'text'; from: string; text: string }
  /** To the signalling legs of a participant. */
  | { type: 'tell'; participant: string; fact: Json }
  | { type: 'settings'; settings: RoomSettings }
  /** Before all else: members of the room while it was in another process. They have the session keep to come back. */
  | { type: 'restore'; members: readonly SavedMember[] }
  /** The room went on in another process, and is here again: who is expected back has not much time left. */
  | { type: 'back' }
  /** The room goes on in another process: its legs are told, and nobody is said to have left. Last input. */
  | { type: 'move'; why: Termination }
  | { type: 'end'; why: Termination };

export type RoomOutput =
  | { type: 'joined'; leg: string; joined: Joined }
  | { type: 'refused'; leg: string; why: Termination }
  | { type: 'notice'; leg: string; notice: LegNotice }
  | { type: 'event'; event: RoomEvent }
  | { type: 'source'; event: SourceEvent }
  /** Nobody is here or away any more. Last output. */
  | { type: 'ended' };

/** Legs of one absence that are remembered: a return may fail a few times. */
const MAX_LOST = 9;

/** How long the legs of a room that came from another process may take until their members are called away. */
const RETURN_MS = 5000;

/** One room: who is in it, with which legs and tracks, who speaks. Control only; media flows beside it (`flow.ts`). */
export class Room implements Core<RoomInput, RoomOutput> {
  readonly id: string;
  settings: RoomSettings;
  readonly #speakers = new Speakers();
  readonly #times: RoomTimes;
  readonly #participants = new Map<string, Participant>();
  readonly #legs = new Map<string, RoomLeg>();
  readonly #tracks = new Map<string, { track: RoomTrack; participant: Participant }>();
  readonly #bans: Bans;
  readonly #tries: PinTries;
  readonly #out: RoomOutput[] = [];
  #ended = false;
  #expectUntil: Millis = NEVER;

  /** `bans` and `tries` outlive the room: nobody gets rid of them by founding it anew. */
  constructor(id: string, settings: RoomSettings, times: RoomTimes, bans: Bans, tries = new PinTries()) {
    this.#bans = bans;
    this.#tries = tries;
    this.id = id;
    this.settings = settings;
    this.#times = times;
  }

  poll(): RoomOutput | undefined {
    return this.#out.shift();
  }

  get deadline(): Millis {
    let at = Math.min(this.#speakers.deadline, this.#expectUntil);
    for (const p of this.#participants.values()) at = Math.min(at, p.keepUntil);
    return at;
  }

  roster(): RoomEvent {
    return { type: 'roster', members: [...this.#visible()].map(p => p.member()) };
  }
  speakers(): readonly string[] {
    return this.#speakers.ranked;
  }
  /** Noted by the media flow, packet by packet. */
  get detector(): SpeakerDetector {
    return this.#speakers.detector;
  }
  *tracks(): Iterable<TrackState> {
    for (const { track, participant } of this.#tracks.values()) yield stateOf(track, participant);
  }
  participantOf(leg: string): string | undefined {
    return this.#legs.get(leg)?.participant.id;
  }
  get size(): number {
    return this.#participants.size;
  }
  /** What a successor needs. */
  saved(): SavedMember[] {
    return saveMembers(this.#participants.values());
  }
  #restore(members: readonly SavedMember[], now: Millis): void {
    for (const saved of members) {
      const p = restoreMember(saved);
      p.keepUntil = now + Math.max(this.#times.sessionKeepMs, RETURN_MS);
      this.#participants.set(p.id, p);
    }
    if (members.length > 0) this.#expectUntil = now + RETURN_MS;
  }

  handle(input: RoomInput | Tick, now: Millis): void {
    if (this.#ended) return;
    switch (input.type) {
      case 'join':
        return this.#join(input.ask, input.secret, now);
      case 'confirmed':
        return this.#confirmed(input.leg);
      case 'absent':
        return this.#absent(input.leg, input.on);
      case 'leave':
        return this.#leave(input.leg, input.why, now);
      case 'gone':
        return this.#gone(input.leg, input.why);
      case 'track':
        return this.#track(input.leg, input.id, input.track, now);
      case 'format':
        return this.#change(input.id, track => {
          track.info = { ...track.info, format: input.format };
        });
      case 'pause':
        return this.#change(input.id, track => {
          track.paused = input.on;
        });
      case 'untrack':
        return this.#untrack(input.id);
      case 'mute':
        return this.#mute(input.participant, input.media, input.on);
      case 'kick':
        return this.#kick(input.participant, input.why, now);
      case 'text':
        return void this.#out.push({
          type: 'event',
          event: { type: 'text', from: input.from, text: input.text },
        });
      case 'tell':
        return this.#toSignalling(input.participant, input.fact);
      case 'settings':
        return this.#set(input.settings);
      case 'restore':
        return this.#restore(input.members, now);
      case 'back':
        this.#expectUntil = now + RETURN_MS;
        return;
      case 'move':
        return this.#move(input.why);
      case 'end':
        for (const p of [...this.#participants.values()]) this.#remove(p, input.why);
        return this.#endIfEmpty();
      case 'tick':
        return this.#tick(now);
    }
  }

  #join(ask: JoinAsk, secret: string, now: Millis): void {
    try {
      const before = this.#legs.get(ask.leg);
      if (before !== undefined) this.#drop(before); // its process came back before we knew that it had gone
      const name = cleanName(ask.who.user);
      // The same leg is the same participant, who would be left without any leg otherwise.
      let p = before?.participant ?? findParticipant(ask, name, this.#participants.values());
      if (p === undefined && ask.reclaim !== undefined) p = this.#reclaim(ask, ask.reclaim);
      else if (p === undefined) {
        const door = {
          room: this.id,
          settings: this.settings,
          count: this.#participants.size,
          banned: this.#bans.has(ask.who, now),
          tries: this.#tries,
        };
        admit(ask, door, now);
        p = new Participant(
          freeName(name, n => this.#participants.has(n)),
          ask.who,
          secret,
        );
        this.#participants.set(p.id, p);
      } else this.#return(p, ask);
      p.secret ??= ask.reclaim?.secret ?? secret;
      const leg: RoomLeg = {
        id: ask.leg,
        gateway: ask.gateway,
        roles: ask.roles,
        track: ask.track,
        participant: p,
        confirmed: false,
        absent: false,
      };
      p.expected = false;
      p.legs.set(leg.id, leg);
      this.#legs.set(leg.id, leg);
      p.keepUntil = NEVER;
      this.#out.push({
        type: 'joined',
        leg: leg.id,
        joined: { participant: p.id, display: p.who.display ?? p.id, secret: p.secret },
      });
      if (p.visible) this.#tell(p);
      if (p.muted.audio) this.#notice(leg, { type: 'mute', media: 'audio', on: true });
      if (p.muted.video) this.#notice(leg, { type: 'mute', media: 'video', on: true });
    } catch (error) {
      this.#out.push({ type: 'refused', leg: ask.leg, why: terminationOf(error) });
      this.#endIfEmpty(); // a room made for this leg alone
    }
  }

  /** A participant of this room while it was elsewhere, of whom nothing was saved. */
  #reclaim(ask: JoinAsk, { participant, display, secret, muted }: Reclaim): Participant {
    const id = freeName(participant, n => this.#participants.has(n));
    if (id !== participant && isSignalling(ask.roles))
      throw refuse(
        'server',
        'name-taken',
        `While room ${this.id} moved to another process somebody else became ${participant}; join again.`,
      );
    const name = display === participant ? id : display;
    const p = new Participant(id, { ...ask.who, display: name }, secret);
    p.muted.audio = muted.audio;
    p.muted.video = muted.video;
    this.#participants.set(p.id, p);
    return p;
  }

  /** A known participant comes with one more leg: what it publishes anew replaces the stale publisher. */
  #return(p: Participant, ask: JoinAsk): void {
    if (!ask.roles.includes('send')) return;
    const why: Termination = {
      blame: 'client',
      reason: 'replaced',
      text: `${p.id} has joined again from another connection.`,
    };
    const others = p.sendersOf(ask.track);
    // A leg that comes back after its link broke is older than one that came meanwhile, and was not told of it.
    if (ask.reclaim !== undefined && others.length > 0) throw new Refusal(why);
    for (const stale of others) {
      this.#notice(stale, { type: 'close', why });
      this.#drop(stale);
    }
  }

  #confirmed(legId: string): void {
    const leg = this.#legs.get(legId);
    if (leg === undefined || leg.confirmed) return;
    leg.confirmed = true;
    const p = leg.participant;
    p.lostLegs = [];
    if (p.visible) return;
    p.visible = true;
    this.#tell(p);
    for (const track of p.tracks.values()) this.#source(track, p);
  }

  #absent(legId: string, on: boolean): void {
    const leg = this.#legs.get(legId);
    if (leg === undefined || leg.absent === on) return;
    const p = leg.participant;
    const before = p.away;
    leg.absent = on;
    if (p.visible && p.away !== before) this.#tell(p);
  }

  #leave(legId: string, why: Termination, now: Millis): void {
    const leg = this.#legs.get(legId);
    if (leg === undefined) return;
    const p = leg.participant;
    this.#drop(leg);
    if (p.legs.size > 0) {
      if (p.visible) this.#tell(p);
      return;
    }
    if (why.reason === 'room-moved' && p.visible) {
      // This copy is not the room any more, and has yet to hear of it: who went on to the next one has not left the room.
      p.expected = true;
      p.keepUntil = now + Math.max(this.#times.sessionKeepMs, RETURN_MS);
      this.#tell(p);
    } else if (why.reason === 'connection-lost' && p.visible && this.#times.sessionKeepMs > 0) {
      p.keepUntil = now + this.#times.sessionKeepMs;
      p.lostLegs = [...p.lostLegs.slice(-MAX_LOST), legId];
      this.#tell(p);
    } else this.#remove(p, why);
    this.#endIfEmpty();
  }

  #gone(legId: string, why: Termination): void {
    for (const p of this.#participants.values())
      if (p.legs.size === 0 && p.lostLegs.includes(legId)) this.#remove(p, why);
    this.#endIfEmpty();
  }

  #track(legId: string, id: string, track: NewTrack, now: Millis): void {
    const leg = this.#legs.get(legId);
    if (leg === undefined || this.#tracks.has(id)) return;
    const p = leg.participant;
    const info: TrackInfo = { ...track, id, participant: p.id };
    const made: RoomTrack = { info, leg: legId, paused: false };
    p.tracks.set(id, made);
    this.#tracks.set(id, { track: made, participant: p });
    if (isAudio(info)) this.#speakers.wake(now);
    this.#source(made, p);
    if (p.visible) this.#tell(p);
  }

  #change(id: string, change: (track: RoomTrack) => void): void {
    const entry = this.#tracks.get(id);
    if (entry === undefined) return;
    change(entry.track);
    this.#source(entry.track, entry.participant);
  }

  #untrack(id: string): void {
    const entry = this.#tracks.get(id);
    if (entry === undefined) return;
    this.#forget(id, entry.participant);
    if (entry.participant.visible) this.#tell(entry.participant);
  }

  #mute(id: string, media: 'audio' | 'video', on: boolean): void {
    const p = this.#participants.get(id);
    if (p === undefined || p.muted[media] === on) return;
    p.muted[media] = on;
    for (const track of p.tracks.values()) this.#source(track, p);
    for (const leg of p.legs.values()) this.#notice(leg, { type: 'mute', media, on });
    if (p.visible) this.#tell(p);
  }

  #kick(id: string, why: Termination, now: Millis): void {
    const p = this.#participants.get(id);
    if (p === undefined) return;
    this.#bans.add(p.who, now + this.#times.banMs);
    this.#remove(p, why);
    this.#endIfEmpty();
  }

  #tick(now: Millis): void {
    if (this.#expectUntil <= now) this.#expectNobody();
    for (const p of [...this.#participants.values()])
      if (p.keepUntil <= now)
        this.#remove(p, {
          blame: 'client',
          reason: 'did-not-return',
          text: `${p.id} lost its connection and did not come back in time.`,
        });
    this.#lookForSpeakers(now);
    this.#endIfEmpty();
  }

  #expectNobody(): void {
    this.#expectUntil = NEVER;
    for (const p of this.#participants.values()) {
      if (!p.expected) continue;
      p.expected = false;
      if (p.away) this.#tell(p);
    }
  }

  #move(why: Termination): void {
    for (const leg of [...this.#legs.values()]) {
      this.#notice(leg, { type: 'close', why });
      this.#drop(leg);
    }
    this.#participants.clear();
    this.#endIfEmpty();
  }

  #lookForSpeakers(now: Millis): void {
    const { ranked, speaking } = this.#speakers.tick(now);
    if (![...this.#tracks.values()].some(t => isAudio(t.track.info))) this.#speakers.rest();
    if (ranked !== undefined)
      this.#out.push({ type: 'source', event: { type: 'speakers', participants: ranked } });
    if (speaking !== undefined)
      this.#out.push({ type: 'event', event: { type: 'speaking', participants: speaking } });
  }

  #set(settings: RoomSettings): void {
    const { layout } = this.settings;
    this.settings = settings;
    if (settings.layout !== layout)
      this.#out.push({ type: 'source', event: { type: 'layout', layout: settings.layout } });
  }

  /** Ends a participant: its legs are told, its tracks vanish, others see it leave. */
  #remove(p: Participant, why: Termination): void {
    for (const leg of [...p.legs.values()]) {
      this.#notice(leg, { type: 'close', why });
      this.#drop(leg);
    }
    this.#participants.delete(p.id);
    this.#speakers.detector.forget(p.id);
    if (p.visible) this.#out.push({ type: 'event', event: { type: 'left', participant: p.id, why } });
  }

  #drop(leg: RoomLeg): void {
    this.#legs.delete(leg.id);
    leg.participant.legs.delete(leg.id);
    for (const [id, track] of leg.participant.tracks)
      if (track.leg === leg.id) this.#forget(id, leg.participant);
  }

  #forget(id: string, p: Participant): void {
    p.tracks.delete(id);
    this.#tracks.delete(id);
    this.#out.push({ type: 'source', event: { type: 'untrack', id } });
  }

  #endIfEmpty(): void {
    if (this.#ended || this.#participants.size > 0) return;
    this.#ended = true;
    this.#speakers.rest();
    this.#out.push({ type: 'ended' });
  }

  #toSignalling(id: string, fact: Json): void {
    for (const leg of this.#participants.get(id)?.legs.values() ?? [])
      if (isSignalling(leg.roles)) this.#notice(leg, { type: 'fact', fact });
  }

  #notice(leg: RoomLeg, notice: LegNotice): void {
    this.#out.push({ type: 'notice', leg: leg.id, notice });
  }
  #tell(p: Participant): void {
    this.#out.push({ type: 'event', event: { type: 'member', member: p.member() } });
  }
  #source(track: RoomTrack, p: Participant): void {
    this.#out.push({ type: 'source', event: { type: 'track', track: stateOf(track, p) } });
  }
  *#visible(): Iterable<Participant> {
    for (const p of this.#participants.values()) if (p.visible) yield p;
  }
}

const stateOf = (track: RoomTrack, p: Participant): TrackState => ({
  info: track.info,
  paused: p.isPaused(track),
  visible: p.visible || track.info.early === true,
});
