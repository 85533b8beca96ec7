import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { missing } from '../harness/child.ts';
import { heardMs, spansOf, toneOf } from '../harness/heard.ts';
import { Baresip } from '../harness/peers/baresip.ts';
import { Kamailio, PBX_PASSWORD } from '../harness/peers/kamailio/kamailio.ts';
import { freePort } from '../harness/ports.ts';
import { ARRANGEMENTS } from '../harness/server.ts';
import { type Script, Uas } from '../harness/sip-uas.ts';
import { type OnEnd, Stage, wait } from '../harness/stage.ts';

const [BOB, CALLER] = [0, 1];
const suite = missing('baresip', 'kamailio') ? describe.skip : describe;

interface CallView {
  readonly call: string;
  readonly leg: string;
  readonly state: string;
  readonly status?: number;
  readonly text: string;
  readonly steps: readonly { readonly at: number; readonly status?: number; readonly text: string }[];
}
interface TrunkView {
  readonly state: string;
  readonly text: string;
  readonly proxies: readonly { readonly state: string; readonly text: string }[];
  readonly accounts: readonly { readonly state: string; readonly until?: number; readonly text: string }[];
}

/** Calls `to` into the room, and waits until the call is in one of these states. */
async function dial(stage: Stage, room: string, body: object, ...states: string[]): Promise<CallView> {
  const made = (await stage.server.api<CallView>('POST', `/rooms/${room}/calls`, body)) as CallView;
  return (await stage.server.until(
    `call to be ${states}`,
    () => stage.server.api<CallView>('GET', `/rooms/${room}/calls/${made.call}`),
    c => states.includes(c?.state ?? ''),
  )) as CallView;
}

const trunk = (stage: Stage): Promise<TrunkView | undefined> =>
  stage.server.api<TrunkView[]>('GET', '/trunks').then(all => all?.[0]);

/** A phone behind the PBX. */
async function phoneAt(
  pbx: Kamailio,
  stage: Stage,
  onEnd: OnEnd,
  user: string,
  tone: number,
): Promise<Baresip> {
  const phone = await Baresip.start({
    dir: stage.dir(user),
    user,
    codecs: 'pcmu/8000/1',
    plays: toneOf(tone, 60),
    answer: 'auto',
    registrar: pbx.sip,
    account: `;auth_user=${user};auth_pass=${PBX_PASSWORD}`,
  });
  onEnd(async () => void (await phone.stop()));
  await phone.until(/200 OK/);
  return phone;
}

suite.each(ARRANGEMENTS)('behind a PBX (Kamailio), %s', arrangement => {
  let pbx: Kamailio;
  let stage: Stage;
  beforeAll(async () => {
    const port = await freePort();
    const extra = `
sip:
  address: 127.0.0.1
  port: SIP_PORT
  trunks:
    - name: office
      outbound: { proxies: [{ uri: "sip:127.0.0.1:${port}" }] }
      register:
        registrar: "sip:127.0.0.1:${port}"
        accounts: [{ user: "100", password: ${PBX_PASSWORD}, room: sales }]
      health: { everyS: 1 }
`;
    pbx = await Kamailio.start(mkdtempSync(join(tmpdir(), 'roombridge-pbx-')), port);
    stage = await Stage.open(arrangement, extra);
  });
  afterAll(async () => {
    await stage?.close();
    await pbx?.stop();
  });
  afterEach(t => {
    stage.tell(t.task);
    if (t.task.result?.state === 'fail') console.error(pbx.output.slice(-3000));
  });

  it('registers with its password, and says so; the proxy answers', async ({ expect }) => {
    const t = await stage.server.until(
      'registered',
      () => trunk(stage),
      t => t?.accounts[0]?.state === 'up',
    );
    expect(t?.accounts[0]?.text).toMatch(/^Registered for \d+ s\.$/);
    expect(t?.accounts[0]?.until).toBeGreaterThan(Date.now());
    const up = await stage.server.until(
      'proxy up',
      () => trunk(stage),
      t => t?.proxies[0]?.state === 'up',
    );
    expect(up?.text).toBe('1 of 1 proxies answer; 1 of 1 accounts are registered.');
  }, 60_000);

  it('calls a phone of the PBX into a room: digest, Record-Route, heard both ways', async ({
    expect,
    onTestFinished,
  }) => {
    const bob = await phoneAt(pbx, stage, onTestFinished, 'bob', BOB);
    const caller = await stage.phone(onTestFinished, 'out', 'carol', CALLER);
    const made = await dial(stage, 'out', { to: `sip:bob@${pbx.sip}`, display: 'Bob' }, 'up', 'ended');
    expect(made.state, JSON.stringify(made.steps)).toBe('up');
    await stage.members('out', 'bob', 'carol');
    await wait(2500);
    expect(await stage.step('bob', /^407/)).toContain('Proxy-Authenticate');
    expect(await stage.step('bob', /^ACK/)).toContain('Route: <sip:127.0.0.1:');
    await stage.server.api('DELETE', `/rooms/out/calls/${made.call}`);
    await bob.until(/session closed|terminated|Call with .* terminated/i);
    await caller.command('hangup');
    await stage.gone('out');
    await Promise.all([bob.stop(), caller.stop()]);
    expect(heardMs(spansOf(bob.heard(), CALLER))).toBeGreaterThan(1500);
    expect(heardMs(spansOf(caller.heard(), BOB))).toBeGreaterThan(1500);
  }, 40_000);

  it('a phone of the PBX calls our account: into its room, heard both ways', async ({
    expect,
    onTestFinished,
  }) => {
    const dave = await phoneAt(pbx, stage, onTestFinished, 'dave', BOB);
    const carol = await stage.phone(onTestFinished, 'sales', 'carol', CALLER);
    await dave.dial(`sip:100@${pbx.sip}`);
    await dave.established();
    await stage.members('sales', 'carol', 'dave');
    await wait(2500);
    await dave.command('hangup');
    await stage.members('sales', 'carol');
    await carol.command('hangup');
    await stage.gone('sales');
    await Promise.all([dave.stop(), carol.stop()]);
    expect(heardMs(spansOf(dave.heard(), CALLER))).toBeGreaterThan(1500);
    expect(heardMs(spansOf(carol.heard(), BOB))).toBeGreaterThan(1500);
  }, 40_000);

  it('a number the PBX does not know is told in a sentence', async ({ expect }) => {
    const made = await dial(stage, 'nobody', { to: '+4930999' }, 'ended');
    expect(made.status).toBe(404);
    expect(made.text).toContain('knows no such number');
    await stage.gone('nobody');
  });

  it('after a restart the registration returns', async ({ expect }) => {
    const front = arrangement === 'one process' ? 'all' : 'front';
    await stage.server.kill(front);
    await stage.server.again(front);
    const t = await stage.server.until(
      'registered',
      () => trunk(stage),
      t => t?.accounts[0]?.state === 'up',
    );
    expect(t?.state).toBe('up');
  }, 60_000);

  it('nothing of it was a bug', async ({ expect }) => {
    expect(stage.server.bugs()).toEqual([]);
  });
});

suite('two proxies', () => {
  let stage: Stage;
  let second: Kamailio;
  let firstPort: number;
  beforeAll(async () => {
    const [a, b] = [await freePort(), await freePort()];
    firstPort = a;
    stage = await Stage.open(
      'one process',
      `
sip:
  address: 127.0.0.1
  port: SIP_PORT
  trunks:
    - name: pair
      outbound:
        username: rb
        password: ${PBX_PASSWORD}
        proxies: [{ uri: "sip:127.0.0.1:${a}", priority: 1 }, { uri: "sip:127.0.0.1:${b}", priority: 2 }]
      health: { everyS: 1, downAfter: 2 }
  dialOut: { tryNextAfterS: 1, penaltyS: 2 }
`,
    );
    second = await Kamailio.start(stage.dir('second'), b);
  });
  afterAll(async () => {
    await stage?.close();
    await second?.stop();
  });
  afterEach(t => stage.tell(t.task));

  it.each<[string, Script]>([
    ['silent', () => []],
    ['503', r => [{ status: r.method === 'OPTIONS' ? 200 : 503 }]],
  ])(
    'the first is %s: the call goes through the second in time',
    async (_, script) => {
      const first = await Uas.open(script, firstPort);
      try {
        const bob = await phoneAt(second, stage, onTestFinished, 'bob', BOB);
        const began = Date.now();
        const made = await dial(stage, 'pair', { to: `sip:bob@${second.sip}`, trunk: 'pair' }, 'up', 'ended');
        expect(made.state, JSON.stringify(made.steps)).toBe('up');
        expect((made.steps.find(s => s.status === 200)?.at ?? 0) - began).toBeLessThan(3000);
        await stage.server.api('DELETE', `/rooms/pair/calls/${made.call}`);
        await stage.gone('pair');
        await bob.stop();
      } finally {
        first.close();
      }
    },
    30_000,
  );

  it('the first is dead: the call goes through the second in time; health brings the first back', async ({
    expect,
    onTestFinished,
  }) => {
    const bob = await phoneAt(second, stage, onTestFinished, 'bob', BOB);
    const began = Date.now();
    const made = await dial(stage, 'pair', { to: `sip:bob@${second.sip}`, trunk: 'pair' }, 'up', 'ended');
    expect(made.state, JSON.stringify(made.steps)).toBe('up');
    const answeredAt = made.steps.find(s => s.status === 200)?.at ?? 0;
    expect(answeredAt - began).toBeLessThan(3000); // 1 s for the first, and bob picks up at once
    await stage.server.api('DELETE', `/rooms/pair/calls/${made.call}`);
    await stage.gone('pair');
    await stage.server.until(
      'first is down',
      () => trunk(stage),
      t => t?.proxies[0]?.state === 'down',
    );

    const first = await Kamailio.start(stage.dir('first'), firstPort);
    onTestFinished(async () => void (await first.stop()));
    await stage.server.until(
      'first is up',
      () => trunk(stage),
      t => t?.proxies[0]?.state === 'up',
    );
    await bob.stop();
    const anna = await phoneAt(first, stage, onTestFinished, 'anna', BOB);
    const again = await dial(stage, 'pair', { to: `sip:anna@${first.sip}` }, 'up', 'ended');
    expect(again.text).toContain(`127.0.0.1:${firstPort}`);
    await stage.server.api('DELETE', `/rooms/pair/calls/${again.call}`);
    await stage.gone('pair');
    await anna.stop();
  }, 60_000);
});
