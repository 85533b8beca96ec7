import { afterEach, describe, expect, it } from 'vitest';
import { natsBus } from '../../src/bus/nats.ts';
import type { Json } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { missing } from '../harness/child.ts';
import { gapsByPort } from '../harness/gaps.ts';
import { heardMs, spansOf } from '../harness/heard.ts';
import { Capture } from '../harness/peers/capture.ts';
import { Stage, wait } from '../harness/stage.ts';

const [BOB, CAROL, DAVE, ERIN] = [0, 1, 2, 3];
/** A process that says nothing for three seconds is given up; this is longer. */
const AWAY_MS = 4500;

const suite = missing('baresip', 'tshark', 'nats-server') ? describe.skip : describe;

suite('managers and NATS die', () => {
  let stage: Stage | undefined;
  afterEach(async t => {
    stage?.tell(t.task);
    await stage?.close();
    stage = undefined;
  });

  const keys = async (s: Stage): Promise<{ rooms: Json[]; close: () => Promise<void> }> => {
    const url = `nats://127.0.0.1:${s.server.ports.bus}`;
    const bus = await natsBus({ url, name: 'test', clock: systemClock, onBug: () => {}, count: () => {} });
    const names = await bus.kv.keys('room');
    const rooms = await Promise.all(names.map(async name => (await bus.kv.get(name))?.value ?? null));
    return { rooms, close: () => bus.close() };
  };

  it('calls go on meanwhile, new ones come in afterwards, and what was kept is kept again', async t => {
    const roles = ['room', 'agent', 'sip-call,stomp,api', 'manager', 'manager 2'];
    stage = await Stage.open('three processes', '', [], roles);
    const s = stage;
    const end = t.onTestFinished;
    const bob = await s.phone(end, 'bus', 'bob', BOB);
    const carol = await s.phone(end, 'bus', 'carol', CAROL, { codecs: 'pcmu/8000/1' });
    await s.members('bus', 'bob', 'carol');

    // A manager dies: the other one places the next call, at once.
    await s.server.kill('manager');
    const dave = await s.phone(end, 'bus', 'dave', DAVE);
    await s.members('bus', 'bob', 'carol', 'dave');

    const sound = await Capture.start(s.dir('sound'), 'udp dst portrange 30000-32766');
    end(() => sound.stop());
    await wait(300);
    const since = Date.now();
    await s.server.killNats();
    await wait(AWAY_MS);
    await dave.stop(); // its BYE comes while the processes cannot hear each other
    await s.server.emptyNats();
    // Until it is joined again the API says 503; then dave is seen to have left, though nobody heard it.
    await s.server.until(
      'dave has left',
      () => s.server.participants('bus').catch(() => []),
      there => there.join() === 'bob,carol',
    );
    const gaps = gapsByPort(
      await sound.read('udp.port==1,rtp', 'udp', 'frame.time_epoch', 'udp.dstport'),
      since,
    );
    console.log(`silence while NATS was away, ms by phone: ${JSON.stringify(gaps)}`);
    expect(Math.max(...Object.values(gaps))).toBeLessThan(1000);

    const erin = await s.phone(end, 'bus', 'erin', ERIN);
    await s.members('bus', 'bob', 'carol', 'erin');
    const { rooms, close } = await keys(s);
    await close();
    expect(rooms).toEqual([expect.objectContaining({ room: 'bus' })]);
    await wait(1500);
    await Promise.all([bob.stop(), carol.stop(), erin.stop()]);
    for (const [phone, other] of [
      [bob, CAROL],
      [carol, BOB],
    ] as const)
      expect(heardMs(spansOf(phone.heard(), other))).toBeGreaterThan(AWAY_MS);
    expect(heardMs(spansOf(erin.heard(), BOB))).toBeGreaterThan(500);
    await s.gone('bus');
    expect(s.server.bugs()).toEqual([]);
  }, 60_000);
});
