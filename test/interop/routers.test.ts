import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Impairment } from '../../src/kit/impairment.ts';
import type { PairView } from '../../src/ops/api/backend.ts';
import { Child, missing } from '../harness/child.ts';
import { Namespaces, namespacesMissing } from '../harness/routers/namespaces.ts';

const PROGRAM = fileURLToPath(new URL('../../bin/roombridge.js', import.meta.url));
const script = (name: string): string =>
  fileURLToPath(new URL(`../harness/routers/${name}.ts`, import.meta.url));
const ADMIN_KEY = 'a-key-for-the-routers-test';
const PORT = 7120;
/** Each host has one; A and B reach each other by a bad line only. */
const AT = { a: '10.99.0.1', b: '10.99.0.2', c: '10.99.0.3' } as const;
const LINE = { a: '10.98.0.1', b: '10.98.0.2' } as const;
const NATS = `nats://${AT.c}:4222`;
type HostName = keyof typeof AT;
const PACKET_MS = 20;
interface Heard {
  /** The longest time without a packet that was not heard before. */
  readonly gapMs: number;
  readonly packets: number;
  /** Since it was asked before. */
  readonly sinceMs: number;
}

const suite = missing('nats-server') || namespacesMissing() ? describe.skip : describe;

suite('three routers on three hosts', () => {
  const hosts = new Namespaces();
  const dir = mkdtempSync(join(tmpdir(), 'roombridge-routers-'));
  const children: Child[] = [];
  const start = (host: string, name: string, ...command: string[]): Child => {
    const child = new Child(`${name} on ${host}`, ...hosts.on(host, ...command));
    children.push(child);
    return child;
  };
  const node = (host: string, name: string, ...args: string[]): Child =>
    start(host, name, process.execPath, '--import', 'tsx', script(name), ...args);
  const router = (host: HostName): Child => {
    const config = join(dir, `${host}.yaml`);
    mkdirSync(join(dir, host));
    writeFileSync(
      config,
      `dataDir: ${join(dir, host)}
region: ${host}
roles: [router${host === 'c' ? ', api' : ''}]
bus: { url: '${NATS}' }
auth: { adminKey: ${ADMIN_KEY} }
router: { address: ${AT[host]}, port: ${PORT} }
log: { pretty: false }
`,
    );
    return start(host, 'router', process.execPath, PROGRAM, 'up', '--config', config);
  };
  let lines: Child[];
  let ends: Child[];

  beforeAll(async () => {
    for (const [name, address] of Object.entries(AT)) hosts.host(name, address);
    hosts.cable('a', AT.a, 'c', AT.c);
    hosts.cable('b', AT.b, 'c', AT.c);
    // The line's end beside A has B's address, and the other way round.
    hosts.host('la', AT.b, LINE.a);
    hosts.host('lb', AT.a, LINE.b);
    hosts.cable('a', AT.a, 'la', AT.b);
    hosts.cable('b', AT.b, 'lb', AT.a);
    hosts.cable('la', LINE.a, 'lb', LINE.b);
    await start('c', 'nats', 'nats-server', '-a', AT.c, '-js', '-sd', join(dir, 'nats')).until(
      /Server is ready/,
    );
    lines = [
      node('la', 'bad-line', AT.b, AT.a, String(PORT), LINE.a, LINE.b),
      node('lb', 'bad-line', AT.a, AT.b, String(PORT), LINE.b, LINE.a),
    ];
    const routers = (['a', 'b', 'c'] as const).map(router);
    ends = [node('a', 'end', 'client', AT.a, 'a', NATS), node('b', 'end', 'server', AT.b, 'b', NATS)];
    await Promise.all([
      ...routers.map(r => r.until(/Roombridge is ready/, 40_000)),
      ...lines.map(l => l.until(/line is open/, 40_000)),
      ...ends.map(e => e.until(/"ready":true/, 40_000)),
    ]);
  });
  afterAll(async () => {
    await Promise.all(children.map(c => c.stop('SIGKILL')));
    hosts.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** What the API says of the way from the router of one host to that of another. */
  async function paths(from: HostName, to: HostName): Promise<PairView | undefined> {
    const ask = `fetch('http://127.0.0.1:8080/api/v1/paths', { headers: { authorization: 'Bearer ${ADMIN_KEY}' } })
      .then(r => r.text()).then(console.log)`;
    const child = start('c', 'api', process.execPath, '-e', ask);
    await child.exited;
    const all = JSON.parse(child.output) as PairView[];
    return all.find(p => p.from.region === from && p.to.region === to);
  }
  async function until(what: string, holds: (p: PairView) => boolean, timeoutMs: number): Promise<void> {
    const giveUp = Date.now() + timeoutMs;
    for (let both: (PairView | undefined)[] = []; ; ) {
      if (both.length === 2 && both.every(p => p !== undefined && holds(p))) return;
      if (Date.now() > giveUp)
        throw new Error(
          `${what}: ${both.map(p => p?.text).join('\n')}\n${children.map(c => c.output.slice(-1500)).join('\n---\n')}`,
        );
      both = [await paths('a', 'b'), await paths('b', 'a')];
    }
  }
  const taken = (p: PairView) => p.paths.find(x => x.use === 'chosen');
  const isDirect = (p: PairView): boolean => taken(p)?.via === undefined && taken(p)?.state === 'alive';
  const isByC = (p: PairView): boolean => taken(p)?.via !== undefined;

  const bad = async (impairment: Impairment): Promise<void> => {
    for (const line of lines) {
      const from = line.output.length;
      line.say(JSON.stringify(impairment));
      await line.until(/line is \{/, 5000, from);
    }
  };
  async function ask<T>(end: Child, question: object, answer: RegExp): Promise<T> {
    const from = end.output.length;
    end.say(JSON.stringify(question));
    return JSON.parse((await end.until(answer, 5000, from))[0]) as T;
  }
  const gaps = (): Promise<Heard[]> =>
    Promise.all(ends.map(end => ask<Heard>(end, { gap: true }, /\{"gapMs".*\}/)));

  it('carry a session around a bad direct path without a gap, and back when it heals', async () => {
    const [client, server] = ends as [Child, Child];
    await until('routers know each other', isDirect, 15_000);
    const { hello } = JSON.parse((await client.until(/\{"ready".*\}/))[0]) as { hello: object };
    let ack: { routers: object[] };
    do {
      await new Promise(resolve => setTimeout(resolve, 500));
      ({ ack } = await ask<{ ack: { routers: object[] } }>(server, { hello }, /\{"ack".*\}/));
    } while (ack.routers.length < 3);
    client.say(JSON.stringify({ ack }));
    await new Promise(resolve => setTimeout(resolve, 2000));
    await gaps();

    for (const impairment of [{ delayMs: 150 }, { loss: 0.2 }]) {
      await bad(impairment);
      await until(`leaves a path with ${JSON.stringify(impairment)}`, isByC, 15_000);
      await bad({});
      await until(`returns to a path that had ${JSON.stringify(impairment)}`, isDirect, 25_000);
      for (const { gapMs, packets, sinceMs } of await gaps()) {
        expect(packets).toBeGreaterThan((0.95 * sinceMs) / PACKET_MS);
        expect(gapMs).toBeLessThanOrEqual(300);
      }
    }
    for (const p of [await paths('a', 'b'), await paths('b', 'a')]) {
      expect(p?.switchesLastHour).toBe(4);
      expect(p?.paths.find(x => x.use === 'standby')?.via).toBeDefined();
      expect(p?.text).toMatch(/traffic takes the direct path .* stands by .* 4 switches in the last hour\./);
    }
  }, 100_000);
});
