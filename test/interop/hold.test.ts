import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { gapsOf, heardMs, spansOf } from '../harness/heard.ts';
import {
  bye,
  call,
  offerless,
  pause,
  plays,
  reinvite,
  reinviteRefused,
  scenario,
  sdp,
} from '../harness/peers/sipp-scenario.ts';
import { ARRANGEMENTS } from '../harness/server.ts';
import { Stage, wait } from '../harness/stage.ts';

const [BOB, CALLER, CAROL] = [0, 1, 2];
const HELD_MS = 2500;
/** What a jitter buffer, a talk spurt's beginning and the edges of a window may take off a time. */
const EDGE_MS = 700;
const IMAGE = `${sdp({ version: 2 }).replace('m=audio [rtpstream_audio_port]', 'm=audio 0')}m=image 9 udptl t38\n`;

const suite = missing('baresip', 'sipp', 'tshark') ? describe.skip : describe;

suite.each(ARRANGEMENTS)('offers in the middle of a call, %s', arrangement => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open(arrangement)));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  it.concurrent('sendonly: a phone on hold is not heard and hears again afterwards', async t => {
    const room = 'sendonly';
    const bob = await stage.phone(t.onTestFinished, room, 'bob', BOB);
    const carol = await stage.phone(t.onTestFinished, room, 'carol', CAROL);
    const caller = await stage.phone(t.onTestFinished, room, 'caller', CALLER, { codecs: 'pcmu/8000/1' });
    await wait(2500);
    await caller.command('hold');
    await wait(HELD_MS);
    t.expect(await stage.step('caller', /^200 OK \(INVITE/)).toContain('a=recvonly');
    await caller.command('resume');
    await wait(2500);
    t.expect(await stage.step('caller', /^200 OK \(INVITE/)).toContain('a=sendrecv');
    await Promise.all([bob.stop(), carol.stop(), caller.stop()]);
    for (const other of [bob, carol]) {
      const held = gapsOf(spansOf(other.heard(), CALLER));
      t.expect(held, 'silent once, while it is held').toHaveLength(1);
      t.expect(held[0]).toBeGreaterThan(HELD_MS - EDGE_MS);
    }
    t.expect(gapsOf(spansOf(bob.heard(), CAROL)), 'the others go on').toEqual([]);
    t.expect(gapsOf(spansOf(carol.heard(), BOB))).toEqual([]);
    // It records each stretch of listening in a file of its own.
    t.expect(heardMs(spansOf(caller.heard(), BOB)), 'once resumed').toBeGreaterThan(2500 - EDGE_MS);
  }, 60_000);

  it.concurrent('inactive and c=0.0.0.0: nothing goes either way until it is resumed', async t => {
    const room = 'inactive';
    const bob = await stage.phone(t.onTestFinished, room, 'bob', BOB);
    const caller = await stage.sipp(t.onTestFinished, room, CALLER, {
      scenario: files =>
        scenario(
          'hold in two styles; its tone goes on all the time',
          call({ answer: 'm=audio [1-9]' }),
          plays(files),
          pause(2000),
          reinvite(2, sdp({ direction: 'inactive', version: 2 }), 'a=inactive'),
          pause(HELD_MS),
          reinvite(3, sdp({ version: 3 }), 'a=sendrecv'),
          pause(2000),
          // RFC 3264 §8.4: "0.0.0.0 … MUST be interpreted as: neither RTP nor RTCP should be sent to the peer".
          reinvite(4, sdp({ nowhere: true, version: 4 }), 'a=(recvonly|inactive)'),
          pause(HELD_MS),
          reinvite(5, sdp({ version: 5 }), 'a=sendrecv'),
          pause(2000),
          bye(6),
        ),
    });
    t.expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
    await bob.stop();
    for (const spans of [spansOf(bob.heard(), CALLER), spansOf(await caller.heard(), BOB)]) {
      const held = gapsOf(spans);
      t.expect(held).toHaveLength(2);
      for (const ms of held) t.expect(ms).toBeGreaterThan(HELD_MS - EDGE_MS);
    }
    t.expect(await caller.longestGapMs(), 'no packet at all').toBeGreaterThan(HELD_MS - EDGE_MS);
  }, 60_000);

  it.concurrent('a codec change is heard by all, both ways', async t => {
    const room = 'codec';
    const bob = await stage.phone(t.onTestFinished, room, 'bob', BOB);
    const caller = await stage.sipp(t.onTestFinished, room, CALLER, {
      scenario: files =>
        scenario(
          'PCMU, then PCMA',
          call({ answer: 'RTP/AVP 0' }),
          plays(files, 'PCMU'),
          pause(3000),
          reinvite(2, sdp({ codec: 'PCMA', version: 2 }), 'RTP/AVP 8'),
          plays(files, 'PCMA'),
          pause(3000),
          bye(3),
        ),
    });
    t.expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
    await bob.stop();
    for (const spans of [spansOf(bob.heard(), CALLER), spansOf(await caller.heard(), BOB)]) {
      t.expect(gapsOf(spans)).toEqual([]);
      t.expect(heardMs(spans)).toBeGreaterThan(6000 - EDGE_MS);
    }
    t.expect([...new Set(await caller.codecs())]).toEqual(['PCMU', 'PCMA']);
  }, 60_000);

  it.concurrent('an offer of fax is refused in words, and the call goes on', async t => {
    const room = 'fax';
    const bob = await stage.phone(t.onTestFinished, room, 'bob', BOB);
    const caller = await stage.sipp(t.onTestFinished, room, CALLER, {
      scenario: files =>
        scenario(
          'T.38',
          call(),
          plays(files),
          pause(1500),
          reinviteRefused(2, IMAGE, 488, '30[0-9] roombridge .*[a-z]+ [a-z]+'),
          pause(1500),
          bye(3),
        ),
    });
    t.expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
    await bob.stop();
    for (const spans of [spansOf(bob.heard(), CALLER), spansOf(await caller.heard(), BOB)]) {
      t.expect(gapsOf(spans)).toEqual([]);
      t.expect(heardMs(spans)).toBeGreaterThan(3000 - EDGE_MS);
    }
  }, 60_000);

  it.concurrent('an INVITE without an offer is offered everything, and its answer is kept to', async t => {
    const room = 'offerless';
    const bob = await stage.phone(t.onTestFinished, room, 'bob', BOB);
    const caller = await stage.sipp(t.onTestFinished, room, CALLER, {
      scenario: files =>
        scenario(
          'the answer comes in the ACK',
          offerless('m=audio [1-9].*opus.*PCMU.*PCMA.*G722', sdp({ codec: 'PCMA' })),
          plays(files, 'PCMA'),
          pause(3000),
          bye(2),
        ),
    });
    t.expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
    await bob.stop();
    for (const spans of [spansOf(bob.heard(), CALLER), spansOf(await caller.heard(), BOB)])
      t.expect(heardMs(spans)).toBeGreaterThan(3000 - EDGE_MS);
    t.expect([...new Set(await caller.codecs())]).toEqual(['PCMA']);
  }, 60_000);

  it('nothing of it was a bug, and the rooms are gone', async ({ expect }) => {
    for (const room of ['sendonly', 'inactive', 'codec', 'fax', 'offerless']) await stage.gone(room);
    expect(stage.server.bugs()).toEqual([]);
  });
});
