import type { Millis } from '../kit/core.ts';

/** −dBov of RFC 6464 turned round: 0 is silence, 127 the loudest. */
const loudness = (level: number): number => 127 - level;

/** Smoothed loudness at which speaking begins and ends: −55 and −65 dBov. */
const BEGIN = loudness(55);
const END = loudness(65);
/** A click of one packet must not count as speech, a breath must not end it. */
const ATTACK_MS = 100;
const RELEASE_MS = 500;
/** Without packets (muted, discontinuous transmission, gone) nobody speaks. */
const QUIET_AFTER_MS = 600;
/** Loudness (dB) by which one must exceed another to stand before them. */
const LEAD_DB = 6;

interface Voice {
  score: number;
  at: Millis;
  speaking: boolean;
}

/**
 * Who speaks, from the level each packet carries. `note` runs per packet and allocates nothing (but once a
 * participant); `rank` runs a few times a second.
 */
export class SpeakerDetector {
  readonly #voices = new Map<string, Voice>();
  #order: string[] = [];
  #last: string | undefined;

  /** `level` in −dBov, 0 (loudest) … 127 (silence). */
  note(participant: string, level: number, now: Millis): void {
    let voice = this.#voices.get(participant);
    if (voice === undefined) {
      voice = { score: 0, at: now - 20, speaking: false };
      this.#voices.set(participant, voice);
    }
    const elapsedMs = Math.min(Math.max(0, now - voice.at), ATTACK_MS);
    const heard = loudness(level);
    const overMs = heard > voice.score ? ATTACK_MS : RELEASE_MS;
    voice.score += (heard - voice.score) * (elapsedMs / overMs);
    voice.at = now;
    if (voice.score >= BEGIN) voice.speaking = true;
    else if (voice.score < END) voice.speaking = false;
  }

  /** Who speaks now, loudest first; the last speaker alone when all are silent. Steady: places change by 6 dB only. */
  rank(now: Millis): readonly string[] {
    const order = this.speaking(now);
    if (order.length > 0) this.#last = order[0];
    else if (this.#last !== undefined) return [this.#last];
    return order;
  }

  /** Who speaks now, loudest first; empty when all are silent. */
  speaking(now: Millis): readonly string[] {
    const order = this.#order.filter(p => this.#speaks(p, now));
    for (const participant of this.#voices.keys())
      if (this.#speaks(participant, now) && !order.includes(participant)) order.push(participant);
    // From the back: a voice climbs over each one it exceeds clearly; equals keep the places they had.
    for (let from = 1; from < order.length; from++)
      for (let at = from; at > 0 && this.#score(order[at]!) > this.#score(order[at - 1]!) + LEAD_DB; at--)
        [order[at - 1], order[at]] = [order[at]!, order[at - 1]!];
    this.#order = order;
    return [...order];
  }

  /** The participant has left: it speaks no more and was not the last to speak. */
  forget(participant: string): void {
    this.#voices.delete(participant);
    if (this.#last === participant) this.#last = undefined;
  }

  #score(participant: string): number {
    return this.#voices.get(participant)?.score ?? 0;
  }
  #speaks(participant: string, now: Millis): boolean {
    const voice = this.#voices.get(participant);
    return voice?.speaking === true && now - voice.at < QUIET_AFTER_MS;
  }
}
