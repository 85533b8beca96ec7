import type { Json, NewTrack, RoomEvent, Termination } from '../contract.ts';
import { type Core, type Millis, NEVER, type Tick } from '../kit/core.ts';
import { terminationOf } from '../kit/refusal.ts';
import type { TrackState } from '../media/room-source.ts';
import type { SpeakerDetector } from '../media/speaker-detector.ts';
import { admit, findParticipant } from './admission.ts';
import type { Bans } from './bans.ts';
import { Members, staleSenders, stateOf } from './members.ts';
import type { RoomInput, RoomOutput } from './messages.ts';
import {
  cleanName,
  isAudio,
  isSignalling,
  Participant,
  type RoomLeg,
  type RoomTrack,
} from './participant.ts';
import { PinTries } from './pin-tries.ts';
import type { JoinAsk, LegNotice } from './port.ts';
import { restoreMember, type SavedMember, saveMembers } from './saved.ts';
import { RETURN_MS } from './session-keep.ts';
import type { RoomSettings, RoomTimes } from './settings.ts';
import { Speakers } from './speakers.ts';

/** One room: who is in it, with which legs and tracks, who speaks. Control only; media flows beside it (`flow.ts`). */
export class Room implements Core<RoomInput, RoomOutput> {
  readonly id: string;
  settings: RoomSettings;
  readonly #members = new Members();
  readonly #speakers = new Speakers();
  readonly #times: RoomTimes;
  readonly #bans: Bans;
  readonly #tries: PinTries;
  readonly #out: RoomOutput[] = [];
  #ended = false;
  /** When the legs of a room that came here from another process are not waited for any more. */
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
    for (const p of this.#members.all) at = Math.min(at, p.keep.until);
    return at;
  }

  roster(): RoomEvent {
    return { type: 'roster', members: this.#members.visible.map(p => p.member()) };
  }
  speakers(): readonly string[] {
    return this.#speakers.ranked;
  }
  /** Noted by the media flow, packet by packet. */
  get detector(): SpeakerDetector {
    return this.#speakers.detector;
  }
  tracks(): Iterable<TrackState> {
    return this.#members.tracks();
  }
  participantOf(leg: string): string | undefined {
    return this.#members.leg(leg)?.participant.id;
  }
  /** Of a leg that is here; see `JoinAsk`. */
  attemptOf(leg: string): number | undefined {
    return this.#members.leg(leg)?.attempt;
  }
  /** What a successor needs. */
  saved(now: Millis): SavedMember[] {
    return saveMembers(this.#members.all, now);
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
        return this.#event({ type: 'text', from: input.from, text: input.text });
      case 'tell':
        return this.#toSignalling(input.participant, input.fact);
      case 'settings':
        return this.#set(input.settings);
      case 'restore':
        for (const saved of input.members)
          this.#members.add(restoreMember(saved, now, this.#times.sessionKeepMs));
        this.#expectUntil = now + RETURN_MS;
        return;
      case 'back':
        this.#expectUntil = now + RETURN_MS;
        return;
      case 'move':
        return this.#move(input.why);
      case 'end':
        for (const p of this.#members.all) this.#remove(p, input.why);
        return this.#endIfEmpty();
      case 'tick':
        return this.#tick(now);
    }
  }

  #join(ask: JoinAsk, secret: string, now: Millis): void {
    try {
      const before = this.#members.leg(ask.leg);
      if (before !== undefined) this.#drop(before); // its process came back before we knew that it had gone
      const name = cleanName(ask.who.user);
      // The same leg is the same participant, who would be left without any leg otherwise.
      let p = before?.participant ?? this.#members.waitingFor(ask.leg);
      p ??= findParticipant(ask, name, this.#members.all);
      if (p !== undefined) this.#replace(p, ask);
      else if (ask.reclaim !== undefined) p = this.#members.reclaim(ask, ask.reclaim);
      else p = this.#admit(ask, name, secret, now);
      p.secret ??= ask.reclaim?.secret ?? secret;
      const leg = this.#members.seat(p, ask);
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

  #admit(ask: JoinAsk, name: string, secret: string, now: Millis): Participant {
    const door = {
      room: this.id,
      settings: this.settings,
      count: this.#members.size,
      banned: this.#bans.has(ask.who, now),
      tries: this.#tries,
    };
    admit(ask, door, now);
    return this.#members.add(new Participant(this.#members.freeName(name), ask.who, secret));
  }

  /** A known participant comes with one more leg: what it publishes anew replaces the stale publisher. */
  #replace(p: Participant, ask: JoinAsk): void {
    const { legs, why } = staleSenders(p, ask);
    for (const stale of legs) {
      this.#notice(stale, { type: 'close', why });
      this.#drop(stale);
    }
  }

  #confirmed(legId: string): void {
    const leg = this.#members.leg(legId);
    if (leg === undefined || leg.confirmed) return;
    leg.confirmed = true;
    const p = leg.participant;
    p.keep.shown();
    if (p.visible) return;
    p.visible = true;
    this.#tell(p);
    for (const track of p.tracks.values()) this.#source(track, p);
  }

  #absent(legId: string, on: boolean): void {
    const leg = this.#members.leg(legId);
    if (leg === undefined || leg.absent === on) return;
    const p = leg.participant;
    const before = p.away;
    leg.absent = on;
    if (p.visible && p.away !== before) this.#tell(p);
  }

  #leave(legId: string, why: Termination, now: Millis): void {
    const leg = this.#members.leg(legId);
    if (leg === undefined) return;
    const p = leg.participant;
    this.#drop(leg);
    const stays = p.legs.size > 0 || (p.visible && p.keep.gone(legId, why, now, this.#times.sessionKeepMs));
    if (!stays) this.#remove(p, why);
    else if (p.visible) this.#tell(p);
    this.#endIfEmpty();
  }

  #gone(leg: string, why: Termination): void {
    for (const p of this.#members.all) if (p.keep.waitsFor(leg)) this.#remove(p, why);
    this.#endIfEmpty();
  }

  #track(legId: string, id: string, track: NewTrack, now: Millis): void {
    const leg = this.#members.leg(legId);
    if (leg === undefined || this.#members.track(id) !== undefined) return;
    const p = leg.participant;
    const made = this.#members.publish(leg, id, track);
    if (isAudio(track)) this.#speakers.wake(now);
    this.#source(made, p);
    if (p.visible) this.#tell(p);
  }

  #change(id: string, change: (track: RoomTrack) => void): void {
    const entry = this.#members.track(id);
    if (entry === undefined) return;
    change(entry.track);
    this.#source(entry.track, entry.participant);
  }

  #untrack(id: string): void {
    const p = this.#members.track(id)?.participant;
    if (p === undefined) return;
    this.#members.unpublish(id);
    this.#untold(id);
    if (p.visible) this.#tell(p);
  }

  #mute(id: string, media: 'audio' | 'video', on: boolean): void {
    const p = this.#members.get(id);
    if (p === undefined || p.muted[media] === on) return;
    p.muted[media] = on;
    for (const track of p.tracks.values()) this.#source(track, p);
    for (const leg of p.legs.values()) this.#notice(leg, { type: 'mute', media, on });
    if (p.visible) this.#tell(p);
  }

  #kick(id: string, why: Termination, now: Millis): void {
    const p = this.#members.get(id);
    if (p === undefined) return;
    this.#bans.add(p.who, now + this.#times.banMs);
    this.#remove(p, why);
    this.#endIfEmpty();
  }

  #tick(now: Millis): void {
    if (this.#expectUntil <= now) this.#expectNobody();
    for (const p of this.#members.all)
      if (p.keep.until <= now) this.#remove(p, p.keep.expected ? wentOn(p) : didNotReturn(p));
    this.#lookForSpeakers(now);
    this.#endIfEmpty();
  }

  #expectNobody(): void {
    this.#expectUntil = NEVER;
    for (const p of this.#members.all) {
      if (!p.keep.expected) continue;
      p.keep.expected = false;
      if (p.away) this.#tell(p);
    }
  }

  #move(why: Termination): void {
    for (const leg of this.#members.legs) {
      this.#notice(leg, { type: 'close', why });
      this.#drop(leg);
    }
    for (const p of this.#members.all) this.#members.remove(p);
    this.#endIfEmpty();
  }

  #lookForSpeakers(now: Millis): void {
    const { ranked, speaking } = this.#speakers.tick(now);
    if (![...this.#members.tracks()].some(t => isAudio(t.info))) this.#speakers.rest();
    if (ranked !== undefined)
      this.#out.push({ type: 'source', event: { type: 'speakers', participants: ranked } });
    if (speaking !== undefined) this.#event({ type: 'speaking', participants: speaking });
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
    this.#members.remove(p);
    this.#speakers.detector.forget(p.id);
    if (p.visible) this.#event({ type: 'left', participant: p.id, why });
  }

  #drop(leg: RoomLeg): void {
    for (const id of this.#members.unseat(leg)) this.#untold(id);
  }

  #endIfEmpty(): void {
    if (this.#ended || this.#members.size > 0) return;
    this.#ended = true;
    this.#speakers.rest();
    this.#out.push({ type: 'ended' });
  }

  #toSignalling(id: string, fact: Json): void {
    for (const leg of this.#members.get(id)?.legs.values() ?? [])
      if (isSignalling(leg.roles)) this.#notice(leg, { type: 'fact', fact });
  }

  #notice(leg: RoomLeg, notice: LegNotice): void {
    this.#out.push({ type: 'notice', leg: leg.id, notice });
  }
  #event(event: RoomEvent): void {
    this.#out.push({ type: 'event', event });
  }
  #tell(p: Participant): void {
    this.#event({ type: 'member', member: p.member() });
  }
  #source(track: RoomTrack, p: Participant): void {
    this.#out.push({ type: 'source', event: { type: 'track', track: stateOf(track, p) } });
  }
  #untold(id: string): void {
    this.#out.push({ type: 'source', event: { type: 'untrack', id } });
  }
}

const didNotReturn = (p: Participant): Termination => ({
  blame: 'client',
  reason: 'did-not-return',
  text: `${p.id} lost its connection and did not come back in time.`,
});

/** Told by a copy of the room that nobody knows any more. */
const wentOn = (p: Participant): Termination => ({
  blame: 'server',
  reason: 'room-moved',
  text: `${p.id} is where this room goes on.`,
});
