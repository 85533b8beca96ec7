import { by } from './dom.ts';
import type { DrillFact } from './signalling.ts';
import { say, type Word, words } from './words.ts';

/** Words of an impairment, and ours for each, in the order they are shown. */
const IMPAIRMENTS: Readonly<Record<string, Word>> = {
  loss: 'drillLoss',
  burst: 'drillBurst',
  delay: 'drillDelay',
  jitter: 'drillJitter',
  order: 'drillOrder',
  reorder: 'drillReorder',
  duplicate: 'drillDuplicate',
  rate: 'drillRate',
  queue: 'drillQueue',
  outage: 'drillOutage',
};

/** The banner while an admin makes the network bad on purpose. It goes by itself, should its end not be told. */
export class DrillBanner {
  #drill: string | undefined;
  #endsAt = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  take(fact: DrillFact): void {
    if (!fact.on) {
      if (fact.drill === this.#drill) this.clear();
      return;
    }
    this.clear();
    this.#drill = fact.drill;
    this.#endsAt = Date.now() + fact.secondsLeft * 1000;
    const how = Object.entries(IMPAIRMENTS)
      .filter(([key]) => fact.impairment[key] !== undefined)
      .map(([key, word]) => say(word, { value: shown(fact.impairment[key] as string) }))
      .join(words.listComma);
    by('drill').hidden = false;
    by('drill-text').textContent =
      fact.participant === undefined
        ? say('drill', { how })
        : say('drillOf', { how, name: fact.participant });
    this.#count();
    this.#timer = setInterval(() => this.#count(), 1000);
  }

  clear(): void {
    clearInterval(this.#timer);
    this.#drill = undefined;
    by('drill').hidden = true;
    by('drill-text').textContent = '';
  }

  #count(): void {
    const n = Math.max(0, Math.round((this.#endsAt - Date.now()) / 1000));
    by('drill-left').textContent = say('drillLeft', { n });
    if (n === 0) this.clear();
  }
}

/** As the admin wrote it, in figures; of words there is one: `4packets`. */
function shown(text: string): string {
  const n = /^([\d.]+)packets$/.exec(text)?.[1];
  return n === undefined ? text : say('drillPackets', { n });
}
