/** Phones that encrypt their media, in a room with one that does not: each is heard both ways. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { gapsOf, heardMs, spansOf, toneOf } from '../harness/heard.ts';
import type { BaresipOptions } from '../harness/peers/baresip.ts';
import { Linphone, type LinphoneOptions } from '../harness/peers/linphone.ts';
import { refused, scenario, sdp } from '../harness/peers/sipp-scenario.ts';
import { Stage, wait } from '../harness/stage.ts';
import type { Sound } from '../harness/wav.ts';

const [BOB, CALLER] = [0, 1];
const TALK_MS = 3500;
const HEARD_MS = 2000;
const HELD_MS = 2500;

interface LegOf {
  readonly participant: string;
  readonly streams: readonly { readonly security?: string; readonly packets: number }[];
}

const suite = missing('baresip', 'sipp') ? describe.skip : describe;

suite('encrypted media', () => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open('one process')));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  const securityOf = async (participant: string): Promise<string[]> => {
    const legs = await stage.server.api<LegOf[]>('GET', '/legs');
    const streams = legs?.find(l => l.participant === participant)?.streams ?? [];
    return streams.map(s => s.security ?? 'unsaid');
  };

  it.concurrent.each<[string, Partial<BaresipOptions>, string, string]>([
    ['keys in RTP/AVP', { encryption: 'srtp' }, 'RTP/AVP', 'sdes'],
    ['keys in RTP/SAVP', { encryption: 'srtp-mand', rtcpMux: true }, 'RTP/SAVP', 'sdes'],
    ['DTLS on one port', { encryption: 'dtls_srtp', rtcpMux: true }, 'UDP/TLS/RTP/SAVPF?', 'dtls'],
    ['DTLS on two ports', { encryption: 'dtls_srtp' }, 'UDP/TLS/RTP/SAVPF?', 'dtls'],
  ])(
    'baresip, %s',
    async (name, options, profile, security) => {
      const ends: (() => Promise<void>)[] = []; // `each` hands no context of the test
      const onEnd = (end: () => Promise<void>): void => void ends.push(end);
      const room = name.replace(/\W/g, '');
      try {
        const bob = await stage.phone(onEnd, room, `bob${room}`, BOB);
        const caller = await stage.phone(onEnd, room, room, CALLER, options);
        await wait(TALK_MS);
        expect(await securityOf(room)).toEqual([security, security]);
        expect(await securityOf(`bob${room}`)).toEqual(['none', 'none']);
        const answer = await stage.step(room, /^200 OK \(INVITE/);
        expect(answer).toMatch(new RegExp(`m=audio \\d+ ${profile} `));
        const invite = await stage.step(room, /^INVITE/);
        for (const text of [answer, invite]) expect(text).not.toMatch(/inline:[\w+/]/);
        await Promise.all([bob.stop(), caller.stop()]);
        expect(heardMs(spansOf(caller.heard(), BOB)), 'heard by the encrypted one').toBeGreaterThan(HEARD_MS);
        expect(heardMs(spansOf(bob.heard(), CALLER)), 'heard by the other').toBeGreaterThan(HEARD_MS);
      } finally {
        for (const end of ends.reverse()) await end();
      }
    },
    60_000,
  );

  it.concurrent('hold of an encrypted leg: silent meanwhile, heard again with the same keys', async t => {
    const bob = await stage.phone(t.onTestFinished, 'held', 'bobheld', BOB);
    const caller = await stage.phone(t.onTestFinished, 'held', 'held', CALLER, { encryption: 'srtp-mand' });
    await wait(2000);
    await caller.command('hold');
    await wait(HELD_MS);
    expect(await stage.step('held', /^200 OK \(INVITE/)).toMatch(/m=audio \d+ RTP\/SAVP [\s\S]*a=recvonly/);
    await caller.command('resume');
    await wait(2000);
    expect(await securityOf('held')).toEqual(['sdes', 'sdes']);
    await Promise.all([bob.stop(), caller.stop()]);
    const held = gapsOf(spansOf(bob.heard(), CALLER));
    expect(held, 'silent once').toHaveLength(1);
    expect(held[0]).toBeGreaterThan(HELD_MS - 700);
    // It records each stretch of listening in a file of its own.
    expect(heardMs(spansOf(caller.heard(), BOB)), 'once resumed').toBeGreaterThan(1000);
  }, 60_000);

  it.skipIf(missing('linphonec')).concurrent.each<[LinphoneOptions['encryption'], string]>([
    ['srtp', 'sdes'],
    ['dtls', 'dtls'],
  ])(
    'linphonec, %s',
    async (encryption, security) => {
      const ends: (() => Promise<unknown>)[] = [];
      const room = `linphone${encryption}`;
      try {
        const bob = await stage.phone(end => void ends.push(end), room, `bob${room}`, BOB);
        const dir = stage.dir('linphone');
        const plays: Sound = toneOf(CALLER, 60);
        const caller = await Linphone.start({ dir, user: room, plays, ...(encryption && { encryption }) });
        ends.push(() => caller.stop());
        caller.dial(`sip:${room}@${stage.server.sip}`);
        await caller.established();
        await wait(TALK_MS);
        expect(await securityOf(room)).toEqual([security, security]);
        await Promise.all([bob.stop(), caller.stop()]);
        expect(heardMs(spansOf(caller.heard(), BOB)), 'heard by the encrypted one').toBeGreaterThan(HEARD_MS);
        expect(heardMs(spansOf(bob.heard(), CALLER)), 'heard by the other').toBeGreaterThan(HEARD_MS);
      } finally {
        for (const end of ends.reverse()) await end();
      }
    },
    60_000,
  );
});

suite('encrypted media required', () => {
  let stage: Stage;
  const setting = "data:text/javascript,process.env.ROOMBRIDGE_SIP__SRTP='required'";
  beforeAll(async () => void (stage = await Stage.open('one process', '', ['--import', setting])));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  it('plain RTP is refused with 488 and a Warning that says what to do', async ({ onTestFinished }) => {
    const caller = await stage.sipp(onTestFinished, 'plain', CALLER, {
      scenario: () => scenario('refused', refused(sdp(), 488, 'Warning', '302 .*turn media encryption')),
    });
    expect(await caller.finished(), caller.output.slice(-2000)).toBe(0);
    const phone = await stage.phone(onTestFinished, 'secure', 'eve', CALLER, { encryption: 'srtp-mand' });
    await stage.members('secure', 'eve');
    await phone.stop();
  }, 30_000);
});
