import { describe, expect, it } from 'vitest';
import { SpeakerDetector } from './speaker-detector.ts';

/** Levels in −dBov a participant sends for a while, in packets of 20 ms. */
class Talk {
  readonly detector = new SpeakerDetector();
  now = 0;
  say(ms: number, levels: Record<string, number>): void {
    for (const end = this.now + ms; this.now < end; this.now += 20)
      for (const [id, level] of Object.entries(levels)) this.detector.note(id, level, this.now);
  }
  rank(): readonly string[] {
    return this.detector.rank(this.now);
  }
}

describe('SpeakerDetector', () => {
  it('nobody has spoken: nobody', () => {
    const talk = new Talk();
    talk.say(1000, { alice: 127, bob: 80 });
    expect(talk.rank()).toEqual([]);
  });

  it('notices speech within 200 ms, and not a click', () => {
    const talk = new Talk();
    talk.say(20, { alice: 10 });
    expect(talk.rank()).toEqual([]);
    talk.say(200, { alice: 30 });
    expect(talk.rank()).toEqual(['alice']);
  });

  it('loudest first', () => {
    const talk = new Talk();
    talk.say(600, { alice: 45, bob: 20, carol: 33 });
    expect(talk.rank()).toEqual(['bob', 'carol', 'alice']);
  });

  it('keeps the first place against one hardly louder, gives it to one clearly louder', () => {
    const talk = new Talk();
    talk.say(600, { alice: 30, bob: 90 });
    expect(talk.rank()).toEqual(['alice']);
    talk.say(2000, { alice: 30, bob: 27 });
    expect(talk.rank()).toEqual(['alice', 'bob']);
    talk.say(2000, { alice: 30, bob: 15 });
    expect(talk.rank()).toEqual(['bob', 'alice']);
  });

  it('survives the pauses between words', () => {
    const talk = new Talk();
    talk.say(600, { alice: 25 });
    for (let i = 0; i < 10; i++) {
      talk.say(160, { alice: 90, bob: 75 });
      expect(talk.detector.speaking(talk.now)).toEqual(['alice']);
      talk.say(200, { alice: 25, bob: 75 });
    }
  });

  it('in silence the last speaker stays first, but does not speak', () => {
    const talk = new Talk();
    talk.say(600, { alice: 25, bob: 90 });
    talk.say(600, { alice: 90, bob: 25 });
    expect(talk.rank()[0]).toBe('bob');
    talk.say(3000, { alice: 90, bob: 90 });
    expect(talk.rank()).toEqual(['bob']);
    expect(talk.detector.speaking(talk.now)).toEqual([]);
  });

  it('who sends nothing more does not speak', () => {
    const talk = new Talk();
    talk.say(600, { alice: 25 });
    talk.rank();
    talk.now += 700;
    expect(talk.detector.speaking(talk.now)).toEqual([]);
    expect(talk.rank()).toEqual(['alice']);
  });

  it('forgets', () => {
    const talk = new Talk();
    talk.say(600, { alice: 25, bob: 40 });
    expect(talk.rank()).toEqual(['alice', 'bob']);
    talk.detector.forget('alice');
    expect(talk.rank()).toEqual(['bob']);
    talk.detector.forget('bob');
    expect(talk.rank()).toEqual([]);
  });
});
