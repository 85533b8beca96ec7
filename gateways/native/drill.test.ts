import { expect, it } from 'vitest';
import { VirtualClock } from '../../test/harness/virtual-net.ts';
import { eventually, OPUS, World } from './world.testing.ts';

it('a drill delays what goes to a member by UDP, and nothing else; after it all is as before', async () => {
  const clock = new VirtualClock();
  const world = await World.open({}, { clock });
  try {
    const { member, events } = await world.join();
    await eventually(() => {
      clock.run(5);
      expect(member.state).toBe('active');
      expect(world.seats[0]?.watchers.size).toBe(1);
    });
    const mic = member.publish({ source: 'mic', format: OPUS, canKeyframe: false, syncGroup: 'a' });
    const heard: string[] = [];
    member.want(
      { kind: 'mix', codec: OPUS, ptimeMs: 20 },
      p => void heard.push(Buffer.from(p.payload).toString()),
      () => {},
    );
    await eventually(() => {
      clock.run(5);
      expect(world.seats[0]?.subscriptions).toHaveLength(1);
      expect(world.seats[0]?.publications).toHaveLength(1);
    });
    const { sink, on } = world.seats[0]!.subscriptions[0]!;
    on({ type: 'serving', format: OPUS, how: 'mix' });
    const leg = world.legs[0]!;
    let seq = 0;
    let said = 0;
    const say = (text: string): void =>
      sink({ seq: ++seq, pts: seq * 960, marker: false, payload: Buffer.from(text), level: 20 }, clock.now());
    /** The member's way here is good: when this is through, what went the other way would be, too. */
    const another = async (text: string): Promise<void> => {
      said++;
      mic.sink(
        { seq: said, pts: said * 960, marker: false, payload: Buffer.from(text), level: 30 },
        performance.now(),
      );
      await eventually(() =>
        expect(world.seats[0]?.publications[0]?.heard.map(p => Buffer.from(p.payload).toString())).toContain(
          text,
        ),
      );
    };
    await eventually(() => {
      say('good');
      clock.run(20);
      expect(heard).toContain('good');
    });

    leg.handle({ type: 'fact', fact: { type: 'drill', on: true, drill: 'd' } });
    leg.drill({ toMember: { delayMs: 400 }, seed: 1 });
    say('late');
    await another('x');
    await another('y');
    expect(heard).not.toContain('late');
    clock.run(400);
    await eventually(() => expect(heard).toContain('late'));
    await eventually(() => {
      clock.run(5);
      expect(events).toContainEqual({ type: 'fact', fact: { type: 'drill', on: true, drill: 'd' } });
    });

    leg.drill(null);
    clock.run(1000);
    say('good again');
    await eventually(() => expect(heard).toContain('good again'));
  } finally {
    await world.close();
  }
});
