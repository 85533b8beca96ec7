import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { digestPassword } from '../../src/ops/tokens.ts';
import { missing } from '../harness/child.ts';
import { toneOf } from '../harness/heard.ts';
import type { Baresip } from '../harness/peers/baresip.ts';
import { Linphone } from '../harness/peers/linphone.ts';
import { RawSip } from '../harness/peers/raw-sip.ts';
import { ARRANGEMENTS } from '../harness/server.ts';
import { type OnEnd, Stage } from '../harness/stage.ts';

const [BOB, CAROL] = [0, 1];
const SECRET = 'a-test-secret-of-at-least-32-bytes!!';
const AUTH = `auth: { apps: [{ key: demo, secrets: ['${SECRET}'] }] }`;
const POLL = { timeout: 15_000, interval: 500 };

const suite = missing('baresip', 'linphonec') ? describe.skip : describe;

/** A baresip in `room`, which shows what is written there and writes to it. */
function phone(stage: Stage, onEnd: OnEnd, room: string, user: string, account = ''): Promise<Baresip> {
  const texts = { showsTexts: true, writesTo: `sip:${room}@${stage.server.sip}`, account } as const;
  return stage.phone(onEnd, room, user, user === 'bob' ? BOB : CAROL, texts);
}

/** The answer to a text from an address of its own that says it is from whom `phone` is. */
async function forge(stage: Stage, onEnd: OnEnd, room: string, phone: Baresip): Promise<string> {
  const stranger = await RawSip.open(stage.server.ports.sip);
  onEnd(() => stranger.close());
  const forged = stranger
    .call(room, 'eve')
    .message('MESSAGE', 1, 'forged', undefined, 'this is bob speaking')
    .replace(/^From: <.*?>/m, `From: <sip:bob@127.0.0.1:${phone.sipPort}>`)
    .replace('application/sdp', 'text/plain');
  stranger.send(forged);
  return stranger.until(() => true, 'answer to the forged text');
}

suite.each(ARRANGEMENTS)('texts that phones send outside of their calls, %s', arrangement => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open(arrangement)));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  it('baresip and linphone write to each other, and nobody else in their names', async t => {
    const { expect, onTestFinished: end } = t;
    const room = `sip:words@${stage.server.sip}`;
    const bob = await phone(stage, end, 'words', 'bob');
    const lin = await Linphone.start({
      dir: stage.dir('lin'),
      user: 'lin',
      plays: toneOf(CAROL, 60),
      proxy: stage.server.sip,
    });
    end(async () => void (await lin.stop()));
    lin.dial(room);
    await lin.established();
    // The first ones may come before the other is listening.
    const said = async (write: () => unknown, by: { readonly output: string }): Promise<string> => {
      await write();
      return by.output;
    };
    await expect
      .poll(() => said(() => bob.writes('héllo from baresip'), lin), POLL)
      .toMatch(/: bob: héllo from baresip/);
    await expect
      .poll(() => said(() => lin.writes(room, 'hello from linphone'), bob), POLL)
      .toMatch(/"lin: hello from linphone"/);

    const answer = await forge(stage, end, 'words', bob);
    expect(answer).toMatch(/^SIP\/2\.0 403 /);
    expect(answer).toMatch(/^Warning: 399 roombridge "Texts are taken of callers only/m);
    await bob.command('hangup');
    await stage.members('words', 'lin');
    await bob.writes('too late');
    await bob.until(/403 Forbidden/);
    expect(lin.output).not.toMatch(/this is bob speaking|too late/);
    expect(stage.server.bugs()).toEqual([]);
  }, 60_000);
});

suite('texts that phones send outside of their calls, with passwords', () => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open('one process', AUTH)));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  it('over UDP every one is proven', async ({ expect, onTestFinished: end }) => {
    const join = (user: string): Promise<Baresip> => {
      const name = `${Math.floor(Date.now() / 1000) + 3600}:secret:${user}`;
      return phone(
        stage,
        end,
        'secret',
        user,
        `;auth_user=${name};auth_pass=${digestPassword(SECRET, name)}`,
      );
    };
    const [bob, carol] = [await join('bob'), await join('carol')];
    const shown = async (): Promise<string> => {
      await bob.writes('it is me');
      return carol.output;
    };
    await expect.poll(shown, POLL).toMatch(/"bob: it is me"/);
    const answer = await forge(stage, end, 'secret', bob);
    expect(answer).toMatch(/^SIP\/2\.0 401 /);
    expect(answer).toMatch(/^Warning: 399 roombridge "Texts outside of a call need the password/m);
    expect(carol.output).not.toContain('this is bob speaking');
    expect(stage.server.bugs()).toEqual([]);
  }, 60_000);
});
