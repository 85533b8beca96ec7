import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { EventLog } from '../harness/event-log.ts';
import { gapsOf, heardMs, spansOf } from '../harness/heard.ts';
import { Stage, wait } from '../harness/stage.ts';

const [BOB, CAROL, WX, PAGE] = [0, 1, 2, 3];
/** From the death of a room node until its members hear each other again. */
const HEARD_AGAIN_MS = 5000;

const suite = missing('baresip', 'ffmpeg', 'chromium', 'nats-server') ? describe.skip : describe;

suite('two room nodes', () => {
  let stage: Stage;
  let events: EventLog;
  beforeAll(async () => {
    stage = await Stage.open('three processes');
    await stage.server.another('room 2');
    events = await EventLog.open(stage.server.ports.bus);
  });
  afterAll(async () => {
    await events?.close();
    await stage?.close();
  });
  afterEach(t => stage.tell(t.task));

  /** The process that hosts `room` now, by its own words. */
  const hostOf = (room: string): 'room' | 'room 2' => {
    const last = (name: string): number =>
      (stage.server.processes.get(name)?.output ?? '').lastIndexOf(`"room":"${room}"`);
    return last('room') > last('room 2') ? 'room' : 'room 2';
  };

  it('kill -9 of the one that hosts a room: its members go on in the other, and nobody left or joined', async t => {
    const end = t.onTestFinished;
    const page = await stage.browser(end, 'moves', 'page', PAGE);
    const wx = stage.publisher(end, 'moves', 'wx', WX);
    const bob = await stage.phone(end, 'moves', 'bob', BOB);
    const carol = await stage.phone(end, 'moves', 'carol', CAROL, { codecs: 'pcmu/8000/1' });
    const everyone = ['bob', 'carol', 'page', 'wx'];
    await stage.members('moves', ...everyone);
    await wait(2500);
    expect(events.of('moves', 'room')).toEqual(['created']);
    expect(events.take('moves').sort()).toEqual(everyone.map(p => `joined ${p}`));

    const host = hostOf('moves');
    await stage.server.kill(host);
    const seen: string[] = [];
    for (let i = 0; i < 60; i++) {
      seen.push((await stage.server.participants('moves')).join());
      await wait(100);
    }
    expect(new Set(seen), 'always the same members').toEqual(new Set([everyone.join()]));
    expect(wx.process.exitCode, 'the publisher goes on').toBeNull();
    await Promise.all([bob.stop(), carol.stop()]);
    const heard = { page: await page.heard(), bob: bob.heard(), carol: carol.heard() };
    for (const [who, others] of [
      ['bob', [CAROL, WX, PAGE]],
      ['carol', [BOB, WX, PAGE]],
      ['page', [BOB, CAROL, WX]],
    ] as const)
      for (const other of others) {
        const spans = spansOf(heard[who], other);
        console.log(`${who} hears ${other}: ${spans.map(s => `${s.fromMs}–${s.toMs}`).join(', ')}`);
        expect(Math.max(0, ...gapsOf(spans)), `${who} missed ${other}`).toBeLessThan(HEARD_AGAIN_MS);
        const last = spans.at(-1);
        expect((last?.toMs ?? 0) - (last?.fromMs ?? 0), `${who} hears ${other} again`).toBeGreaterThan(1000);
        expect(heardMs(spans)).toBeGreaterThan(3000);
      }
    await stage.members('moves', 'page', 'wx'); // when they hung up
    await stage.server.until(
      'both have left, by the event log, too',
      async () => events.of('moves').length,
      n => n >= 2,
    );
    expect(events.of('moves', 'room')).toEqual([]);
    expect(events.take('moves').sort()).toEqual(['left bob', 'left carol']);
    expect(await page.text('#notice-text').catch(() => '')).toBe('');
    await Promise.all([page.stop(), wx.stop('SIGINT')]);
    expect(stage.server.bugs()).toEqual([]);
    await stage.server.again(host);
  }, 60_000);

  it('one that is told to stop: its rooms are in the other before it ends, and nobody notices', async t => {
    const end = t.onTestFinished;
    const bob = await stage.phone(end, 'drained', 'bob', BOB);
    const carol = await stage.phone(end, 'drained', 'carol', CAROL, { codecs: 'pcmu/8000/1' });
    await stage.members('drained', 'bob', 'carol');
    await wait(1500);
    events.take('drained');
    const host = stage.server.processes.get(hostOf('drained'));
    expect(await host?.stop('SIGTERM', 8000)).toBe(0);
    await wait(2000);
    expect(await stage.server.participants('drained')).toEqual(['bob', 'carol']);
    expect(events.of('drained', 'room')).toEqual([]);
    expect(events.take('drained')).toEqual([]);
    await Promise.all([bob.stop(), carol.stop()]);
    for (const [phone, other] of [
      [bob, CAROL],
      [carol, BOB],
    ] as const) {
      const spans = spansOf(phone.heard(), other);
      expect(gapsOf(spans), 'no silence worth naming').toEqual([]);
      expect(heardMs(spans)).toBeGreaterThan(2500);
    }
    await stage.gone('drained');
    expect(stage.server.bugs()).toEqual([]);
  }, 60_000);
});
