import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { gapsOf, heardMs, spansOf } from '../harness/heard.ts';
import { Capture } from '../harness/peers/capture.ts';
import { call, hungUp, plays, refused, scenario, sdp } from '../harness/peers/sipp-scenario.ts';
import { ARRANGEMENTS } from '../harness/server.ts';
import { Stage, wait } from '../harness/stage.ts';

const [BOB, SIPP, WX, PAGE] = [0, 1, 2, 3];
const ROOM = 'hosted';
const MUTED_MS = 2500;
/** Sound under way when the word comes, and the windows' edges. */
const EDGE_MS = 800;

const suite = missing('baresip', 'sipp', 'tshark', 'ffmpeg', 'chromium') ? describe.skip : describe;

suite.each(ARRANGEMENTS)('what a host does by the API, %s', arrangement => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open(arrangement)));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  it('mutes and unmutes members of every kind, and removes them, each told in its protocol', async t => {
    const { expect, onTestFinished: end } = t;
    const { api } = stage.server;
    const host = (method: string, path: string, body?: unknown) =>
      api.call(stage.server, method, `/rooms/${ROOM}/participants/${path}`, body);
    const wire = await Capture.start(stage.dir('wire'), `tcp port ${stage.server.ports.rtmp}`);
    end(() => wire.stop());

    const page = await stage.browser(end, ROOM, 'page', PAGE);
    const wx = stage.publisher(end, ROOM, 'wx', WX);
    const sipp = await stage.sipp(end, ROOM, SIPP, {
      scenario: files => scenario('removed', call(), plays(files), hungUp('removed you from this room')),
    });
    const bob = await stage.phone(end, ROOM, 'bob', BOB);
    await stage.members(ROOM, 'bob', 'page', 'sipp', 'wx');
    await wait(2500);

    const muted = ['page', 'sipp', 'wx'];
    for (const who of muted) await host('POST', `${who}/mute`, { media: 'audio', on: true });
    await page.page.getByText('The host has muted you.').waitFor();
    expect(await page.page.getAttribute('#mute', 'aria-pressed')).toBe('true');
    await wait(MUTED_MS);
    expect(await page.text('[data-participant="wx"]')).toContain('muted');
    expect(await page.text('[data-participant="bob"]')).not.toContain('muted');
    for (const who of muted) await host('POST', `${who}/mute`, { media: 'audio', on: false });
    await wait(2500);
    expect(await page.page.getAttribute('#mute', 'aria-pressed')).toBe('false');

    for (const who of muted) await host('DELETE', who);
    expect(await sipp.finished(), sipp.output.slice(-2000)).toBe(0);
    await page.page.getByText('The host has removed you from this room.').waitFor();
    await wx.exited;
    await stage.members(ROOM, 'bob');
    const pageHeard = await page.heard();
    await bob.command('hangup');
    await stage.gone(ROOM);
    await bob.stop();

    const told = await wire.read(`tcp.port==${stage.server.ports.rtmp},rtmpt`, 'rtmpt', 'amf.string');
    expect(told).toMatch(/Net(Connection|Stream)\.[A-Za-z.]+[^\n]*The host has removed you from this room\./);
    for (const tone of [PAGE, SIPP, WX]) {
      const gaps = gapsOf(spansOf(bob.heard(), tone));
      expect(gaps, `bob hears tone ${tone} before and after it is muted`).toHaveLength(1);
      expect(gaps[0]).toBeGreaterThan(MUTED_MS - EDGE_MS);
    }
    for (const heard of [await sipp.heard(), pageHeard]) {
      expect(gapsOf(spansOf(heard, BOB)), 'the muted go on hearing').toEqual([]);
      expect(heardMs(spansOf(heard, BOB))).toBeGreaterThan(5000);
    }
    expect(stage.server.bugs()).toEqual([]);
  }, 90_000);

  it('keeps out for a while whom it has removed', async ({ expect, onTestFinished: end }) => {
    const bob = await stage.phone(end, 'banned', 'bob', BOB);
    const caller = await stage.sipp(end, 'banned', SIPP, {
      scenario: () => scenario('removed', call(), hungUp('removed you')),
    });
    await stage.members('banned', 'bob', 'sipp');
    await stage.server.api('DELETE', '/rooms/banned/participants/sipp');
    expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
    const again = await stage.sipp(end, 'banned', SIPP, {
      scenario: () =>
        scenario('again', refused(sdp(), 403, 'Warning', '399 roombridge .*was removed from room')),
    });
    expect(await again.finished(), again.output.slice(-2000)).toBe(0);
    await bob.stop();
  }, 60_000);
});
