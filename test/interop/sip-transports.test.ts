import { type AddressInfo, createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { heardMs, spansOf, toneOf } from '../harness/heard.ts';
import { Baresip } from '../harness/peers/baresip.ts';
import { Linphone } from '../harness/peers/linphone.ts';
import { okTo, RawSip } from '../harness/peers/raw-sip.ts';
import { splitting, tlsWire, webSocketWire } from '../harness/sip-client-wires.ts';
import { Stage, wait } from '../harness/stage.ts';

const [BOB, CALLER] = [0, 1];
const TALK_MS = 4000;
/** Of what was said meanwhile, this much is heard on any machine. */
const HEARD_MS = 1500;
/** Signalling, and how media is encrypted. */
const MEDIA = [
  ['tcp', 'none'],
  ['tls', 'sdes'],
] as const;
const suite = missing('baresip', 'linphonec') ? describe.skip : describe;

suite('SIP over everything', () => {
  let stage: Stage;
  beforeAll(async () => void (stage = await Stage.open('one process')));
  afterAll(() => stage?.close());
  afterEach(t => stage.tell(t.task));

  const address = (room: string, transport: 'tcp' | 'tls'): string => {
    const { sip } = stage.server.ports;
    return `sip:${room}@127.0.0.1:${transport === 'tls' ? sip + 1 : sip};transport=${transport}`;
  };

  const securityOf = async (participant: string): Promise<unknown[]> => {
    interface LegView {
      readonly participant: string;
      readonly streams: readonly { readonly security?: string }[];
    }
    const legs = await stage.server.api<LegView[]>('GET', '/legs');
    return legs?.find(l => l.participant === participant)?.streams.map(s => s.security) ?? [];
  };

  it.for(MEDIA)(
    'baresip over %s, its media %s, and another over udp hear each other',
    async ([transport, security], { expect, onTestFinished }) => {
      const room = `baresip-${transport}`;
      const bob = await stage.phone(onTestFinished, room, 'bob', BOB);
      const caller = await Baresip.start({
        dir: stage.dir(room),
        user: 'caller',
        codecs: 'pcmu/8000/1',
        plays: toneOf(CALLER, 60),
        sipTransport: transport,
        ...(transport === 'tls' && { encryption: 'srtp-mand' }),
      });
      onTestFinished(async () => void (await caller.stop()));
      await caller.dial(address(room, transport));
      await caller.established();
      await stage.members(room, 'bob', 'caller');
      await wait(TALK_MS);
      expect(await securityOf('caller')).toEqual([security, security]);
      await caller.command('hangup');
      await stage.members(room, 'bob');
      await Promise.all([bob.stop(), caller.stop()]);
      expect(heardMs(spansOf(bob.heard(), CALLER))).toBeGreaterThan(HEARD_MS);
      expect(heardMs(spansOf(caller.heard(), BOB))).toBeGreaterThan(HEARD_MS);
      await stage.gone(room);
    },
  );

  it.for(MEDIA)(
    'linphone over %s, its media %s, and a baresip over udp hear each other',
    async ([transport, security], { expect, onTestFinished }) => {
      const room = `linphone-${transport}`;
      const bob = await stage.phone(onTestFinished, room, 'bob', BOB);
      const caller = await Linphone.start({
        dir: stage.dir(room),
        user: 'caller',
        plays: toneOf(CALLER, 60),
        ...(transport === 'tls' && { encryption: 'srtp' }),
      });
      onTestFinished(async () => void (await caller.stop()));
      caller.dial(address(room, transport));
      await caller.established();
      await wait(TALK_MS);
      expect(await stage.server.participants(room)).toHaveLength(2);
      expect(await securityOf('caller')).toEqual([security, security]);
      await caller.stop();
      await stage.members(room, 'bob');
      await bob.stop();
      expect(heardMs(spansOf(bob.heard(), CALLER))).toBeGreaterThan(HEARD_MS);
      expect(heardMs(spansOf(caller.heard(), BOB))).toBeGreaterThan(HEARD_MS);
      await stage.gone(room);
    },
  );

  it.for(['tls', 'ws', 'wss'] as const)(
    'a call over %s is a member; an administrator ends it',
    async (kind, { expect, onTestFinished }) => {
      const { sip, http, https } = stage.server.ports;
      const phone = await RawSip.over(
        hear =>
          kind === 'tls'
            ? tlsWire(sip + 1, hear)
            : webSocketWire(
                kind === 'ws' ? `ws://127.0.0.1:${http}/sip` : `wss://127.0.0.1:${https}/sip`,
                hear,
              ),
        sip,
      );
      onTestFinished(() => phone.close());
      const room = `raw-${kind}`;
      const call = phone.call(room, 'raw');
      call.invite();
      const ok = await phone.until(m => m.startsWith('SIP/2.0 200'), '200');
      phone.send(call.message('ACK', 1, 'ack', /^To: (.*)\r$/m.exec(ok)?.[1]));
      await stage.members(room, 'raw');
      const [leg] = (await stage.server.api<{ leg: string }[]>('GET', '/legs')) ?? [];
      const ladder = await stage.server.api<{ steps?: unknown }>('GET', `/legs/${leg?.leg}/ladder`);
      expect(JSON.stringify(ladder)).toContain(`"transport":"${kind}"`);
      await stage.server.api('DELETE', `/rooms/${room}`);
      const bye = await phone.until(m => m.startsWith('BYE '), 'BYE');
      expect(bye).toContain(`Via: SIP/2.0/${kind.toUpperCase()} `);
      phone.send(okTo(bye));
      await stage.gone(room);
      expect(stage.server.bugs()).toEqual([]);
    },
  );

  it('a TCP connection that is killed in mid-call takes no call along; our next request opens one', async ({
    expect,
    onTestFinished,
  }) => {
    const heard: string[] = [];
    const answering = createServer(socket => {
      const hear = (message: string): void => {
        heard.push(message);
        socket.write(okTo(message));
      };
      socket.on('data', splitting(hear)).on('error', () => {});
    });
    await new Promise<void>(done => answering.listen(0, '127.0.0.1', done));
    onTestFinished(async () => void answering.close());
    const { port } = answering.address() as AddressInfo;

    const phone = await RawSip.open(stage.server.ports.sip, 'tcp');
    const call = phone.call('killed', 'raw');
    const contact = `Contact: <sip:raw@127.0.0.1:${port};transport=tcp>\r`;
    phone.send(call.inviteText().replace(/^Contact: .*$/m, contact));
    const ok = await phone.until(m => m.startsWith('SIP/2.0 200'), '200');
    phone.send(call.message('ACK', 1, 'ack', /^To: (.*)\r$/m.exec(ok)?.[1]));
    await stage.members('killed', 'raw');
    await phone.close();
    await wait(1000);
    expect(await stage.server.participants('killed'), 'the call lives').toEqual(['raw']);
    expect(heard, 'and nothing was said meanwhile').toEqual([]);

    await stage.server.api('DELETE', '/rooms/killed');
    await stage.gone('killed');
    expect(heard.map(m => m.split(' ', 1)[0])).toEqual(['BYE']);
    expect(stage.server.bugs()).toEqual([]);
  });
});
