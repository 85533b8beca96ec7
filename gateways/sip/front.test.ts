import { createSocket } from 'node:dgram';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import type { Front, Host, LadderStep, LegCommand, LegEvent, LegRequest } from '../../src/contract.ts';
import { refuse } from '../../src/kit/refusal.ts';
import { Child, missing } from '../../test/harness/child.ts';
import { fakeHost } from '../../test/harness/fakes.ts';
import { freePort } from '../../test/harness/ports.ts';
import { sipConfig } from './config.ts';
import { createSipFront } from './front.ts';
import { sipNative } from './native.ts';

const SDP =
  'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\n';

/** A platform without agents: remembers what it was asked, answers offers by `SDP`. */
class FakePlatform {
  readonly requests: LegRequest[] = [];
  readonly commands: LegCommand[] = [];
  readonly ladder: LadderStep[] = [];
  readonly legs = new Map<string, (e: LegEvent) => void>();
  aborted = 0;
  /** Milliseconds until a leg is placed; null: never. */
  delayMs: number | null = 0;
  refusal: Error | undefined;
  readonly host: Host & { readonly counts: string[] };

  constructor(overrides: Partial<Host> = {}) {
    this.host = fakeHost({
      ladder: (_, step) => void this.ladder.push(step),
      place: (r, on, signal) => this.#place(r, on, signal),
      ...overrides,
    });
  }

  async #place(request: LegRequest, on: (e: LegEvent) => void, signal: AbortSignal) {
    this.requests.push(request);
    signal.addEventListener('abort', () => this.aborted++);
    if (this.refusal) throw this.refusal;
    if (this.delayMs === null) await new Promise(() => {});
    if (this.delayMs) await new Promise(done => setTimeout(done, this.delayMs as number));
    const { leg } = request;
    this.legs.set(leg, on);
    const send = (c: LegCommand): void => {
      this.commands.push(c);
      if (c.type === 'offer' || c.type === 'make-offer')
        on({ type: 'description', id: c.id, native: sipNative(SDP) });
      if (c.type === 'close') this.legs.delete(leg);
    };
    on({ type: 'description', id: 0, native: sipNative(SDP) });
    return { id: leg, agent: 'a', participant: request.who.user, secret: 's', send };
  }

  count(type: LegCommand['type']): number {
    return this.commands.filter(c => c.type === type).length;
  }
}

let front: Front | undefined;
afterEach(async () => {
  await front?.close({ blame: 'server', reason: 'shutting-down' });
  front = undefined;
});

async function start(platform: FakePlatform, config: object = {}): Promise<number> {
  front = createSipFront(platform.host, sipConfig.parse({ address: '127.0.0.1', port: 0, ...config }));
  const [address] = await front.start();
  return Number(/:(\d+)$/.exec(address?.url ?? '')?.[1]);
}

const scenario = (name: string): string =>
  fileURLToPath(new URL(`../../fixtures/sip/${name}.xml`, import.meta.url));

/** Runs sipp to its end; its exit code is 0 only when every call went by the scenario. */
async function sipp(
  name: string,
  port: number,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const child = new Child('sipp', 'sipp', [
    `127.0.0.1:${port}`,
    ...['-sf', scenario(name), '-s', '1000', '-i', '127.0.0.1', '-p', String(await freePort()), '-nostdin'],
    ...args,
  ]);
  const code = await child.exited;
  return { code, output: child.output };
}

describe.skipIf(missing('sipp'))('with sipp', () => {
  test.each([
    ['udp', 'u1'],
    ['tcp', 't1'],
  ])('50 calls over %s', async (_, transport) => {
    const platform = new FakePlatform();
    const port = await start(platform);
    const { code, output } = await sipp('sipp-uac', port, ['-m', '50', '-r', '50', '-t', transport]);
    expect(code, output.slice(-2000)).toBe(0);
    expect(platform.requests).toHaveLength(50);
    expect(platform.requests[0]).toMatchObject({
      gateway: 'sip',
      room: '1000',
      roles: ['send', 'receive'],
      who: { user: 'phone', display: 'Phone 1', proof: 'claimed', address: '127.0.0.1' },
      begin: { type: 'offer' },
    });
    expect(platform.count('confirmed')).toBe(50);
    expect(platform.commands.filter(c => c.type === 'close')).toEqual(
      Array(50).fill({ type: 'close', why: { blame: 'none', reason: 'hung-up' } }),
    );
    expect(platform.legs.size).toBe(0);
  });

  test('every call completes at 10 % loss', async () => {
    const platform = new FakePlatform();
    const port = await start(platform);
    const args = ['-m', '100', '-r', '50', '-lost', '10'];
    const { code, output } = await sipp('sipp-uac', port, args);
    expect(code, output.slice(-2000)).toBe(0);
    console.log(platform.count('confirmed'), platform.ladder.filter(l=>l.summary.startsWith('BYE')).length, platform.host.counts);
    expect(platform.count('close')).toBe(100);
    expect(platform.legs.size).toBe(0);
  }, 60_000);

  test('CANCEL while placing: 487, and whatever was begun is aborted', async () => {
    const platform = new FakePlatform();
    platform.delayMs = null;
    const port = await start(platform);
    const { code, output } = await sipp('sipp-cancel', port, ['-m', '10', '-r', '50']);
    expect(code, output.slice(-2000)).toBe(0);
    expect(platform.aborted).toBe(10);
  });
});
