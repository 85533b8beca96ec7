import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { heardMs, spansOf } from '../harness/heard.ts';
import { call, hungUp, plays, scenario } from '../harness/peers/sipp-scenario.ts';
import type { OnEnd } from '../harness/stage.ts';
import { Stage, wait } from '../harness/stage.ts';

const [BOB, SIPP, WX, PAGE] = [0, 1, 2, 3];
/** A dead process is missed after three seconds of silence. */
const NOTICED_MS = 6000;
/** And then another agent is sought for its calls for five. */
const GIVEN_UP_MS = NOTICED_MS + 5000;

const suite = missing('baresip', 'sipp', 'tshark', 'ffmpeg', 'chromium', 'nats-server')
  ? describe.skip
  : describe;

suite('kill -9 of one of three processes', () => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open('three processes')));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  const probes = (): Promise<number[]> =>
    Promise.all(['/healthz', '/readyz'].map(path => fetch(stage.server.web + path).then(r => r.status)));
  const agents = async (): Promise<string[]> =>
    (await stage.server.api<{ gateway: string }[]>('GET', '/agents'))?.map(a => a.gateway).sort() ?? [];
  const room = async (name: string) => ({
    here: (
      await stage.server.api<{ state: string; participant: string }[]>('GET', `/rooms/${name}/participants`)
    )
      ?.filter(m => m.state === 'here')
      .map(m => m.participant),
    legs: (await stage.server.api<{ gateway: string }[]>('GET', '/legs'))?.map(l => l.gateway),
    agents: await agents(),
    probes: await probes(),
  });
  /** Two phones in the room hear each other. */
  const works = async (end: OnEnd, name: string): Promise<void> => {
    const one = await stage.phone(end, name, 'one', BOB);
    const two = await stage.phone(end, name, 'two', SIPP, { codecs: 'pcmu/8000/1' });
    await stage.members(name, 'one', 'two');
    await wait(2000);
    await Promise.all([one.stop(), two.stop()]);
    expect(heardMs(spansOf(one.heard(), SIPP))).toBeGreaterThan(1000);
    expect(heardMs(spansOf(two.heard(), BOB))).toBeGreaterThan(1000);
    await stage.gone(name);
  };

  it('the agent: front and room live on and tell the truth, a new agent takes calls', async t => {
    const end = t.onTestFinished;
    const page = await stage.browser(end, 'lost', 'page', PAGE);
    const wx = stage.publisher(end, 'lost', 'wx', WX);
    const sipp = await stage.sipp(end, 'lost', SIPP, {
      scenario: files => scenario('told', call(), plays(files), hungUp('media process of this leg has died')),
    });
    const bob = await stage.phone(end, 'lost', 'bob', BOB);
    await stage.members('lost', 'bob', 'page', 'sipp', 'wx');

    const from = bob.output.length;
    await stage.server.kill('agent');
    await Promise.all([bob.until(/session closed|terminated/i, GIVEN_UP_MS, from), wx.exited]);
    expect(await sipp.finished(), sipp.output.slice(-2000)).toBe(0);
    const after = await stage.server.until(
      'only the page is left, without media',
      () => room('lost'),
      r => r.here?.every(p => p === 'page') !== false && r.legs?.every(l => l === 'stomp') === true,
    );
    expect(after.agents, 'no dead agents').toEqual(['stomp']);
    expect(after.probes).toEqual([200, 200]);

    await stage.server.again('agent');
    await stage.server.until('agents', agents, a => a.includes('sip'));
    await works(end, 'again');
    // The page finds out by itself that nothing comes any more, and joins again.
    await page.page.locator('[data-participant="page"]').getByText('webrtc').waitFor({ timeout: 45_000 });
    await page.stop();
    expect(stage.server.bugs()).toEqual([]);
  }, 60_000);

  it('the room node: every call ends with a sentence, a new room node takes over, the page comes back to it', async t => {
    const end = t.onTestFinished;
    const page = await stage.browser(end, 'node', 'page', PAGE);
    const wx = stage.publisher(end, 'node', 'wx', WX);
    const sipp = await stage.sipp(end, 'node', SIPP, {
      scenario: files =>
        scenario('told', call(), plays(files), hungUp('process that hosts this room was lost')),
    });
    const bob = await stage.phone(end, 'node', 'bob', BOB);
    await stage.members('node', 'bob', 'page', 'sipp', 'wx');

    const from = bob.output.length;
    await stage.server.kill('room');
    await Promise.all([bob.until(/session closed|terminated/i, NOTICED_MS, from), wx.exited]);
    expect(await sipp.finished(), sipp.output.slice(-2000)).toBe(0);
    await page.page.getByText('The connection was lost; reconnecting…').waitFor();
    expect(await probes()).toEqual([200, 200]);

    await stage.server.again('room');
    await works(end, 'next'); // at once, though the dead one's advert may not be forgotten yet
    await stage.members('node', 'page');
    await page.page.locator('[data-participant="page"]').getByText('webrtc').waitFor({ timeout: 20_000 });
    await page.page.click('#leave');
    await stage.gone('node');
    expect(stage.server.bugs()).toEqual([]);
  }, 60_000);

  it('the front: agents close its legs, and the front that comes after says BYE from what it left', async t => {
    const end = t.onTestFinished;
    const wx = stage.publisher(end, 'front', 'wx', WX);
    const sipp = await stage.sipp(end, 'front', SIPP, {
      scenario: files =>
        scenario('told', call(), plays(files), hungUp('signalling process of this leg has gone')),
    });
    const bob = await stage.phone(end, 'front', 'bob', BOB, { sipTransport: 'tcp' });
    await stage.members('front', 'bob', 'sipp', 'wx');
    const agent = stage.server.processes.get('agent');
    const [said, heard] = [agent?.output.length, bob.output.length];

    await stage.server.kill('front');
    // Its API went with it: the agent's log tells what became of the legs, within the 5 s.
    for (const participant of ['bob', 'sipp'])
      await agent?.until(new RegExp(`"participant":"${participant}"[^\\n]*front-lost`), 5000, said);
    expect(wx.process.exitCode, 'who needs no front goes on').toBeNull();

    await stage.server.again('front');
    expect(await sipp.finished(), sipp.output.slice(-2000)).toBe(0);
    await bob.until(/session closed|terminated/i, 10_000, heard);
    await stage.members('front', 'wx');
    await wx.stop('SIGINT');
    await stage.server.until('agents', agents, a => a.includes('sip'));
    await works(end, 'front');
    expect(stage.server.bugs()).toEqual([]);
  }, 60_000);
});
