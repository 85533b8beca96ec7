import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { flowOfUri } from '../../src/proto/sip/flow.ts';
import { parseUri } from '../../src/proto/sip/uri.ts';
import { DRACHTIO, drachtio, embedded, INFO_TYPE, type Side } from './sip-backends.ts';

const sdp = (what: string, version = 1): string =>
  [
    'v=0',
    `o=${what} 1 ${version} IN IP4 127.0.0.1`,
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    'm=audio 9 RTP/AVP 0',
    '',
  ].join('\r\n');
const OFFER = sdp('offer');
const ANSWER = sdp('answer');

const backends = [
  { name: 'the stack of our own', open: embedded, here: true },
  {
    name: `drachtio-server${DRACHTIO ? '' : ' (skipped: none at hand, see ROOMBRIDGE_TEST_DRACHTIO)'}`,
    open: drachtio,
    here: DRACHTIO !== undefined,
  },
];

for (const { name, open, here } of backends)
  (here ? describe : describe.skip)(`SIP signalling by ${name}`, () => {
    let bridge: Side;
    let phone: Side;
    beforeAll(async () => void (bridge = await open()));
    afterAll(() => bridge?.close());
    beforeEach(async () => {
      phone = await embedded();
      bridge.events.length = bridge.calls.length = bridge.ladder.length = 0;
      bridge.onInvite = () => {};
    });
    afterEach(async () => {
      expect(bridge.bugs.splice(0)).toEqual([]);
      await phone.close();
    });

    const dialIn = (o: object = { sdp: OFFER }) => phone.dial(`sip:1000@${bridge.address}`, o);
    const dialOut = (o: object = { sdp: OFFER }) => bridge.dial(`sip:bob@${phone.address}`, o);
    /** A call in both of its ends, answered. */
    async function talking() {
      bridge.onInvite = (_, call) => call.answer(ANSWER);
      const there = dialIn();
      await phone.next('answered');
      await bridge.next('confirmed');
      return { there, here: bridge.calls[0]! };
    }
    async function talkingOut() {
      phone.onInvite = (_, call) => call.answer(ANSWER);
      const here = dialOut();
      expect((await bridge.next('answered')).sdp?.trim()).toBe(ANSWER.trim());
      await phone.next('confirmed');
      return { here, there: phone.calls[0]! };
    }

    it('a call in: ringing, answer, ACK, BYE of the caller with its reason', async () => {
      bridge.onInvite = (_, call) => call.progress(180);
      const there = dialIn();
      const invite = await bridge.next('invite');
      expect(invite.sdp).toBe(OFFER);
      expect(invite.request.uri.user).toBe('1000');
      expect(await phone.next('progress')).toMatchObject({ status: 180 });
      bridge.calls[0]!.answer(ANSWER);
      expect((await phone.next('answered')).sdp?.trim()).toBe(ANSWER.trim());
      await bridge.next('confirmed');
      there.hangup([['Reason', 'Q.850;cause=16']]);
      expect(await bridge.next('ended')).toMatchObject({ by: 'remote', reason: 'Q.850;cause=16' });
      expect(bridge.ladder.join('\n')).toMatch(/in INVITE(.|\n)*out SIP\/2.0 200(.|\n)*in ACK(.|\n)*in BYE/);
    });

    it('we hang up: BYE with our reason', async () => {
      const { here } = await talking();
      here.hangup([['Reason', 'SIP;cause=200;text="The meeting is over"']]);
      expect(await phone.next('ended')).toMatchObject({
        by: 'remote',
        reason: 'SIP;cause=200;text="The meeting is over"',
      });
      expect(await bridge.next('ended')).toMatchObject({ by: 'local' });
    });

    it('a refusal with its words', async () => {
      bridge.onInvite = (_, call) => call.reject(488, { headers: [['Warning', '305 x "No common codec"']] });
      dialIn();
      const failed = await phone.next('failed');
      expect(failed).toMatchObject({ status: 488 });
      expect(failed.response?.headers.get('warning')).toBe('305 x "No common codec"');
    });

    it('a challenge is answered by the phone, and the second INVITE comes with it', async () => {
      bridge.onInvite = ({ request }, call) => {
        if (request.headers.get('authorization') !== undefined) return call.answer(ANSWER);
        const value = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5';
        call.reject(401, { headers: [['WWW-Authenticate', value]] });
      };
      dialIn({ sdp: OFFER, credentials: { username: 'u', password: 'p' } });
      await phone.next('answered');
    });

    it('CANCEL: the call is over before it began', async () => {
      bridge.onInvite = (_, call) => call.progress(180);
      const there = dialIn();
      await phone.next('progress');
      there.hangup();
      await bridge.next('cancelled');
      expect(await phone.next('failed')).toMatchObject({ status: 487 });
    });

    it('an offerless call: our offer in the 200, their answer in the ACK', async () => {
      bridge.onInvite = ({ sdp: offered }, call) => {
        expect(offered).toBeUndefined();
        call.answer(OFFER);
      };
      const there = dialIn({ sdp: undefined });
      expect(await phone.next('answered')).toMatchObject({ owed: true });
      there.acknowledge(ANSWER);
      expect((await bridge.next('confirmed')).sdp?.trim()).toBe(ANSWER.trim());
    });

    it('offers in the call, both ways, taken and refused', async () => {
      const { here, there } = await talking();
      there.reinvite(sdp('hold', 2));
      expect((await bridge.next('offer')).sdp?.trim()).toBe(sdp('hold', 2).trim());
      here.answer(sdp('held', 2));
      expect((await phone.next('reanswered')).sdp?.trim()).toBe(sdp('held', 2).trim());
      await bridge.next('confirmed');
      there.reinvite(sdp('fax', 3));
      await bridge.next('offer');
      here.reject(488);
      expect(await phone.next('rerefused')).toMatchObject({ status: 488 });
      here.reinvite(sdp('more', 3));
      expect((await phone.next('offer')).sdp?.trim()).toBe(sdp('more', 3).trim());
      there.answer(sdp('fine', 4));
      expect((await bridge.next('reanswered')).sdp?.trim()).toBe(sdp('fine', 4).trim());
      here.reinvite(sdp('too much', 4));
      await phone.next('offer');
      there.reject(488);
      expect(await bridge.next('rerefused')).toMatchObject({ status: 488 });
    });

    it('INFO both ways; one of an unknown kind is refused', async () => {
      const { here, there } = await talking();
      there.info(INFO_TYPE, 'Signal=5\r\nDuration=160\r\n');
      expect(await bridge.next('info')).toMatchObject({ contentType: INFO_TYPE });
      here.info(INFO_TYPE, 'Signal=6\r\n');
      expect((await phone.next('info')).content).toContain('Signal=6');
      there.info('text/strange', 'x');
      await phone.said('in SIP/2.0 415');
    });

    it('texts both ways, answered by who they are for', async () => {
      const { here, there } = await talking();
      there.message('grüß dich');
      const { id, text } = await bridge.next('message');
      expect(text).toBe('grüß dich');
      here.answerMessage(id, 200);
      expect((await phone.next('messaged')).status).toBe(200);
      here.message(`alice: ${'说'.repeat(400)}`);
      const shown = await phone.next('message');
      expect(shown.text).toBe(`alice: ${'说'.repeat(400)}`);
      there.answerMessage(shown.id, 415, { headers: [['Accept', 'text/html']] });
      expect((await bridge.next('messaged')).status).toBe(415);
      here.hangup();
      expect(await phone.next('ended')).toMatchObject({ by: 'remote' });
    });

    it('a text that is refused, in words', async () => {
      const { here, there } = await talking();
      there.message('x'.repeat(4097));
      const { id, text } = await bridge.next('message');
      expect(text).toHaveLength(4097);
      here.answerMessage(id, 413, { headers: [['Warning', '399 roombridge "Too long."']] });
      expect((await phone.next('messaged')).status).toBe(413);
      await phone.said('in SIP/2.0 413');
    });

    it('a text of no call is refused: 405', async () => {
      const ask = { method: 'MESSAGE', uri: `sip:1000@${bridge.address}`, callId: 'none', cseq: 1 };
      const ends = { from: 'sip:x@127.0.0.1', to: ask.uri };
      const flow = flowOfUri(parseUri(ask.uri)!);
      const { status, response } = await phone.signalling.request({ ...ask, ...ends, headers: [] }, flow);
      expect(status).toBe(405);
      expect(response?.headers.get('allow')).not.toContain('MESSAGE');
      expect(response?.headers.get('warning')).toContain('within a call only');
    });

    it('the phone asks for a transfer and hears how it goes', async () => {
      const { here, there } = await talking();
      there.refer('r1', 'sip:carol@example.org');
      const refer = await bridge.next('refer');
      expect(refer).toMatchObject({ to: 'sip:carol@example.org', replaces: undefined });
      here.acceptRefer(refer.id);
      here.notify(refer.id, 180, 'Ringing');
      here.notify(refer.id, 200, 'OK');
      let last = await phone.next('referred');
      while (!last.done) last = await phone.next('referred');
      expect(last.status).toBe(200);
    });

    it('a call out: ringing, answer, and the far end hangs up', async () => {
      phone.onInvite = (_, call) => call.progress(180);
      dialOut();
      expect(await bridge.next('progress')).toMatchObject({ status: 180 });
      phone.calls[0]!.answer(ANSWER);
      expect(await bridge.next('answered')).toMatchObject({ owed: false });
      await phone.next('confirmed');
      phone.calls[0]!.hangup();
      expect(await bridge.next('ended')).toMatchObject({ by: 'remote' });
    });

    it('a call out that we end', async () => {
      const { here } = await talkingOut();
      here.hangup();
      expect(await phone.next('ended')).toMatchObject({ by: 'remote' });
      expect(await bridge.next('ended')).toMatchObject({ by: 'local' });
    });

    it('a call out that is busy', async () => {
      phone.onInvite = (_, call) => call.reject(486);
      dialOut();
      expect(await bridge.next('failed')).toMatchObject({ status: 486 });
    });

    it('a call out that is withdrawn while it rings', async () => {
      phone.onInvite = (_, call) => call.progress(180);
      const here = dialOut();
      await bridge.next('progress');
      here.hangup();
      await phone.next('cancelled');
      expect(await bridge.next('failed')).toMatchObject({ status: 487 });
    });

    it('a call out that must prove itself', async () => {
      phone.onInvite = ({ request }, call) => {
        if (request.headers.get('proxy-authorization') !== undefined) return call.answer(ANSWER);
        const value = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5';
        call.reject(407, { headers: [['Proxy-Authenticate', value]] });
      };
      dialOut({ sdp: OFFER, credentials: { username: 'u', password: 'p' } });
      await bridge.next('answered');
    });

    it('OPTIONS, ours and theirs', async () => {
      expect(await bridge.signalling.ping(`sip:${phone.address}`)).toBe(200);
      expect(await phone.signalling.ping(`sip:${bridge.address}`)).toBe(200);
    });

    it('a listener that throws ends its own call, and is told', async () => {
      bridge.onInvite = () => {
        throw new Error('a bug of ours');
      };
      dialIn();
      expect((await phone.next('failed')).status).toBeGreaterThanOrEqual(480);
      expect(bridge.bugs.splice(0)).toHaveLength(1);
    });

    it('a drain: 503 with its Retry-After, and calls go on', async () => {
      const { here } = await talking();
      bridge.signalling.drain(7);
      dialIn();
      const failed = await phone.next('failed');
      expect(failed.status).toBe(503);
      expect(failed.response?.headers.get('retry-after')).toBe('7');
      here.hangup();
      await bridge.next('ended');
    });
  });
