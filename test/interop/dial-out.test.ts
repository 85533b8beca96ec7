import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { missing } from '../harness/child.ts';
import { heardMs, spansOf, toneOf } from '../harness/heard.ts';
import { okTo, RawSip } from '../harness/peers/raw-sip.ts';
import type { Played } from '../harness/peers/sipp-scenario.ts';
import { announcing, challenging, refusing, ringing, SippUas } from '../harness/peers/sipp-uas.ts';
import { ARRANGEMENTS } from '../harness/server.ts';
import { UAS_SDP, Uas } from '../harness/sip-uas.ts';
import { type OnEnd, Stage } from '../harness/stage.ts';

const ANNOUNCEMENT = 2;
const suite = missing('sipp', 'baresip') ? describe.skip : describe;

interface CallView {
  readonly call: string;
  readonly state: string;
  readonly status?: number;
  readonly text: string;
  readonly steps: readonly { readonly status?: number; readonly text: string }[];
}

suite.each(ARRANGEMENTS)('calls out of a room, %s', arrangement => {
  let stage: Stage;
  beforeAll(async () => {
    const extra = `
sip:
  address: 127.0.0.1
  port: SIP_PORT
  dialOut: { allow: ["sip:uas@127.0.0.1:*"], transfers: true }
`;
    stage = await Stage.open(arrangement, extra);
  });
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  async function uas(
    onEnd: OnEnd,
    script: string | ((files: Played) => string),
    sound?: Parameters<typeof SippUas.start>[2],
  ): Promise<SippUas> {
    const made = await SippUas.start(stage.dir('uas'), script, sound);
    onEnd(async () => void (await made.stop()));
    return made;
  }
  const dial = async (room: string, to: SippUas, more: object = {}): Promise<CallView> =>
    (await stage.server.api<CallView>('POST', `/rooms/${room}/calls`, {
      to: `sip:uas@${to.sip}`,
      ...more,
    })) as CallView;
  const until = (room: string, { call }: CallView, state: string): Promise<CallView> =>
    stage.server.until(
      `call to be ${state}`,
      () => stage.server.api<CallView>('GET', `/rooms/${room}/calls/${call}`),
      c => c?.state === state,
      30_000,
    ) as Promise<CallView>;

  it.each([
    ['486 Busy Here', 'busy'],
    ['603 Decline', 'declined'],
    ['480 Temporarily Unavailable', 'nobody answered'],
  ])('%s is told, and nothing of the call remains', async (status, words) => {
    const phone = await uas(onTestFinished, refusing(status));
    const ended = await until('refused', await dial('refused', phone), 'ended');
    expect(ended.steps.map(s => s.status).filter(Boolean)).toEqual([180, Number(status.slice(0, 3))]);
    expect(ended.text).toContain(words);
    expect(await phone.finished(), phone.output.slice(-1500)).toBe(0);
    await stage.gone('refused');
  });

  it('withdrawn while it rings: CANCEL, 487', async () => {
    const phone = await uas(onTestFinished, ringing);
    const made = await dial('withdrawn', phone);
    await until('withdrawn', made, 'ringing');
    await stage.server.api('DELETE', `/rooms/withdrawn/calls/${made.call}`);
    expect((await until('withdrawn', made, 'ended')).status).toBe(487);
    expect(await phone.finished(), phone.output.slice(-1500)).toBe(0);
    await stage.gone('withdrawn');
  });

  it('nobody picks up: withdrawn after the time that was asked for', async () => {
    const phone = await uas(onTestFinished, ringing);
    const ended = await until('long', await dial('long', phone, { timeoutS: 5 }), 'ended');
    expect(ended).toMatchObject({ status: 408, text: 'Nobody answered within 5 s; the call was withdrawn.' });
    expect(await phone.finished(), phone.output.slice(-1500)).toBe(0);
  });

  it('an announcement before the answer is heard in the room, by whom nobody sees', async () => {
    const bob = await stage.phone(onTestFinished, 'early', 'bob', 0);
    await stage.members('early', 'bob');
    const network = await uas(
      onTestFinished,
      files => announcing(files, 3000, '404 Not Found'),
      toneOf(ANNOUNCEMENT, 10, 8000),
    );
    const made = await dial('early', network);
    expect((await until('early', made, 'early')).status).toBe(183);
    expect(await stage.server.participants('early')).toEqual(['bob']);
    expect((await until('early', made, 'ended')).status).toBe(404);
    expect(await network.finished(), network.output.slice(-1500)).toBe(0);
    await bob.command('hangup');
    await bob.stop();
    expect(heardMs(spansOf(bob.heard(), ANNOUNCEMENT))).toBeGreaterThan(1500);
    await stage.gone('early');
  });

  it('a 302 leads only where a call might have gone', async () => {
    const to = '192.0.2.1:5060';
    const moved = await uas(onTestFinished, refusing('302 Moved Temporarily', `Contact: <sip:else@${to}>`));
    const ended = await until('moved', await dial('moved', moved), 'ended');
    expect(ended.text).toContain('sip.dialOut.allow');
  });

  it('407 without a password says what to set', async () => {
    const phone = await uas(onTestFinished, challenging('rb', 'secret'));
    const ended = await until('asked', await dial('asked', phone), 'ended');
    expect(ended).toMatchObject({ status: 407, text: expect.stringContaining('outbound.password') });
  });

  it('REFER: a phone of the room has another called into it, and hears each step; then it leaves', async () => {
    const target = await Uas.open(r =>
      r.method === 'INVITE' ? [{ status: 180 }, { status: 200, sdp: UAS_SDP }] : [{ status: 200 }],
    );
    onTestFinished(() => target.close());
    const { sip } = stage.server.ports;
    const phone = await RawSip.open(sip);
    onTestFinished(() => phone.close());
    const call = phone.call('handed', 'anna');
    phone.send(call.inviteText().replaceAll(`@127.0.0.1:${sip}`, `@localhost:${sip}`)); // a room of ours is no target
    const ok = await phone.until(m => m.startsWith('SIP/2.0 200'), '200');
    const to = /^To: (.*)\r$/m.exec(ok)?.[1];
    phone.send(call.message('ACK', 1, 'ack', to));
    await stage.members('handed', 'anna');

    const refer = call.message('REFER', 2, 'refer', to);
    phone.send(
      refer.replace(
        '\r\nContent-Length',
        `\r\nRefer-To: <sip:uas@127.0.0.1:${target.port}>\r\nContent-Length`,
      ),
    );
    await phone.until(m => /^SIP\/2\.0 202 /.test(m) && m.includes('REFER'), '202 to the REFER');
    const told = new Set<string>();
    for (let last = ''; !/^Subscription-State: terminated/m.test(last); phone.send(okTo(last))) {
      last = await phone.until(m => m.startsWith('NOTIFY ') && !told.has(m), 'the next NOTIFY');
      told.add(last);
    }
    const steps = [...told].map(m => /\r\n\r\nSIP\/2\.0 (\d+) /.exec(m)?.[1]);
    expect(steps.at(-1), `of ${steps}`).toBe('200');
    expect(steps[0]).toMatch(/^1/);
    await stage.members('handed', 'anna', 'uas');
    phone.send(call.message('BYE', 3, 'bye', to));
    await stage.members('handed', 'uas');
    await stage.server.api('DELETE', '/rooms/handed');
    await stage.gone('handed');
    expect(target.of('BYE')).toHaveLength(1);
  });

  it('what nobody allowed is refused with the setting that would', async () => {
    await expect(stage.server.api('POST', '/rooms/no/calls', { to: 'sip:root@127.0.0.1' })).rejects.toThrow(
      /403.*sip\.dialOut\.allow/,
    );
    await expect(stage.server.api('POST', '/rooms/no/calls', { to: '+4930123' })).rejects.toThrow(
      /403.*outbound\.numbers/,
    );
  });

  it('nothing of it was a bug', async () => {
    expect(stage.server.bugs()).toEqual([]);
  });
});
