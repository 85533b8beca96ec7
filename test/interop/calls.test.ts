import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { heardMs, spansOf } from '../harness/heard.ts';
import { RawSip } from '../harness/peers/raw-sip.ts';
import {
  bye,
  call,
  cancelled,
  hungUp,
  pause,
  plays,
  refused,
  scenario,
  writes,
} from '../harness/peers/sipp-scenario.ts';
import { ARRANGEMENTS } from '../harness/server.ts';
import { Stage, wait } from '../harness/stage.ts';

const [BOB, CALLER] = [0, 1];
const suite = missing('baresip', 'sipp', 'tshark') ? describe.skip : describe;

suite.each(ARRANGEMENTS)('how calls end, %s', arrangement => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open(arrangement)));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  it('a phone hangs up, and its room is gone', async ({ expect, onTestFinished }) => {
    const bob = await stage.phone(onTestFinished, 'bye', 'bob', BOB);
    await stage.members('bye', 'bob');
    await bob.command('hangup');
    await stage.gone('bye');
    expect(await stage.server.api('GET', '/rooms/bye')).toBeUndefined();
  });

  it('the host ends the meeting: BYE says why', async ({ expect, onTestFinished }) => {
    const bob = await stage.phone(onTestFinished, 'ended', 'bob', BOB);
    const caller = await stage.sipp(onTestFinished, 'ended', CALLER, {
      scenario: files => scenario('told', call(), plays(files), hungUp('ended this meeting')),
    });
    await stage.members('ended', 'bob', 'sipp');
    await stage.server.api('DELETE', '/rooms/ended');
    expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
    await bob.until(/session closed|terminated/i);
    await stage.gone('ended');
  });

  it('two phones with one caller id are two members, and hear each other', async ({
    expect,
    onTestFinished,
  }) => {
    const one = await stage.phone(onTestFinished, 'same', 'bob', BOB);
    const two = await stage.phone(onTestFinished, 'same', 'bob', CALLER);
    await stage.members('same', 'bob', 'bob-2');
    await wait(2500);
    await two.command('hangup');
    await stage.members('same', 'bob');
    await Promise.all([one.stop(), two.stop()]);
    expect(heardMs(spansOf(one.heard(), CALLER))).toBeGreaterThan(1500);
    expect(heardMs(spansOf(two.heard(), BOB))).toBeGreaterThan(1500);
    await stage.gone('same');
  });

  it('one phone writes, the other shows it', async ({ expect, onTestFinished }) => {
    const bob = await stage.phone(onTestFinished, 'chat', 'bob', BOB, { showsTexts: true });
    const caller = await stage.sipp(onTestFinished, 'chat', CALLER, {
      scenario: () =>
        scenario(
          'writes',
          call(),
          pause(200),
          writes(2, 'hello from here', 200),
          writes(3, 'y'.repeat(4096), 200),
          writes(4, 'y'.repeat(4097), 413),
          bye(5),
        ),
    });
    expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
    await bob.until(/"sipp: hello from here"/);
    // Over UDP what is long comes in parts.
    await bob.until(/"sipp \(11\/11\): y+"/);
    const parts = [...bob.output.matchAll(/"sipp \((\d+)\/11\): y/g)].map(m => m[1]);
    expect(parts).toEqual(Array.from({ length: 11 }, (_, i) => String(i + 1)));
    await bob.command('hangup');
    await stage.gone('chat');
  });

  it('without a common codec the caller is told so', async ({ expect, onTestFinished }) => {
    const g729 = 'v=0\no=- 1 1 IN IP4 [local_ip]\ns=-\nc=IN IP4 [media_ip]\nt=0 0\nm=audio 4000 RTP/AVP 18\n';
    const caller = await stage.sipp(onTestFinished, 'g729', CALLER, {
      scenario: () => scenario('G.729 only', refused(g729, 488, 'Warning', '305 roombridge .*codec')),
    });
    expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
    await stage.gone('g729');
  });

  it('INVITE and CANCEL on each other’s heels: every call ends, none hangs', async ({
    expect,
    onTestFinished,
  }) => {
    const phone = await RawSip.open(stage.server.ports.sip);
    onTestFinished(() => phone.close());
    const statuses = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const made = phone.call('race', `racer${i}`);
        made.invite();
        if (i % 4 !== 0) await wait(i / 2); // from the same instant to well after the answer
        made.cancel();
        // RFC 3261 §9.2: 200 to a CANCEL that finds its INVITE, answered or not.
        expect(await made.response('CANCEL')).toBe(200);
        return made.settle();
      }),
    );
    for (const status of statuses) expect([200, 487], `INVITEs ended with ${statuses}`).toContain(status);
    await stage.gone('race');
  });

  it('INVITE and CANCEL in one write are 487', async ({ expect, onTestFinished }) => {
    const phone = await RawSip.open(stage.server.ports.sip, 'tcp');
    onTestFinished(() => phone.close());
    const made = phone.call('race', 'racer');
    made.inviteAndCancel();
    expect(await made.response('CANCEL')).toBe(200);
    expect(await made.settle()).toBe(487);
    await stage.gone('race');
  });

  // In one process there is no agent to stop.
  if (arrangement !== 'one process')
    it('CANCEL while it rings, and the agent that says yes too late gives the seat back', async ({
      expect,
      onTestFinished,
    }) => {
      const agent = stage.server.processes.get('agent')?.process;
      onTestFinished(async () => void agent?.kill('SIGCONT'));
      agent?.kill('SIGSTOP'); // placing takes its time
      const caller = await stage.sipp(onTestFinished, 'rings', CALLER, {
        scenario: () => scenario('taken back', cancelled),
      });
      expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
      agent?.kill('SIGCONT');
      await stage.gone('rings');
      const bob = await stage.phone(onTestFinished, 'rings', 'bob', BOB);
      await stage.members('rings', 'bob');
      await bob.stop();
    });

  it('nothing of it was a bug', async ({ expect }) => {
    expect(stage.server.bugs()).toEqual([]);
  });
});
