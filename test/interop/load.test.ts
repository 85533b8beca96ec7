import { afterAll, describe, expect, it } from 'vitest';
import { missing } from '../harness/child.ts';
import { type Holdings, Inspector } from '../harness/inspector.ts';
import { type LoadResult, sippLoad } from '../harness/peers/sipp-load.ts';
import { ARRANGEMENTS, type Arrangement } from '../harness/server.ts';
import { Stage, wait } from '../harness/stage.ts';

const CALLS = 500;
const PER_SECOND = 50;
const CALL_MS = 2000;
const ROOMS = 20;
/** The steps of this many calls are kept, and are there before anything is measured: what grows then is lost for good. */
const WARM = 100;
const CONFIG = `log: { level: info, pretty: false, ladders: ${WARM} }`;
/** RFC 3261 §17.1.1.2: the last timers of a call run for 32 s. */
const LATER_MS = 40_000;
const HEAP_BYTES = 5 * 1024 * 1024;
/** While three of ten messages are lost: each try of a request gets through every second time, and sipp tries six times. */
const BAD_CALLS = 60;
/** sipp gives up a request after half a minute, as timers B and F do; a call has two of them, and lasts a while. */
const BAD_MS = 2 * 35_000 + CALL_MS;

interface Run {
  readonly stage: Stage;
  readonly processes: { readonly name: string; readonly inspector: Inspector; readonly before: Holdings }[];
}

const suite = missing('sipp') ? describe.skip : describe;

const badLoad = async (stage: Stage): Promise<LoadResult & { tookMs: number }> => {
  const began = Date.now();
  const result = await sippLoad({
    ...{ dir: stage.dir('bad'), server: stage.server.sip, calls: BAD_CALLS, perSecond: PER_SECOND },
    ...{ callMs: CALL_MS, rooms: ROOMS, lostPercent: 30 },
  });
  return { ...result, tookMs: Date.now() - began };
};

suite('calls at 50 a second', () => {
  let bad: ReturnType<typeof badLoad> | undefined;
  const runs = new Map<Arrangement, Run>();
  let lastEnded = 0;
  afterAll(async () => {
    for (const { stage, processes } of runs.values()) {
      for (const { inspector } of processes) inspector.close(); // or its process waits for the debugger to leave
      await stage.close();
    }
  });

  it.each(ARRANGEMENTS)(
    '500 complete, and again while every tenth message is lost: %s',
    async arrangement => {
      const stage = await Stage.open(arrangement, CONFIG, ['--inspect=127.0.0.1:0']);
      const run: Run = { stage, processes: [] };
      runs.set(arrangement, run);
      const load = (calls: number, lostPercent?: number): Promise<LoadResult> =>
        sippLoad({
          dir: stage.dir('load'),
          server: stage.server.sip,
          calls,
          perSecond: PER_SECOND,
          callMs: CALL_MS,
          rooms: ROOMS,
          ...(lostPercent !== undefined && { lostPercent }),
        });

      await load(WARM); // what is made once and kept: compiled code, codecs, links between processes
      for (const [name, child] of stage.server.processes) {
        const inspector = await Inspector.attach(child);
        run.processes.push({ name, inspector, before: await inspector.holdings() });
      }
      for (const lostPercent of [undefined, 10]) {
        const result = await load(CALLS, lostPercent);
        const { exit, successful, failed } = result;
        expect({ exit, successful, failed }, result.output).toEqual({
          exit: 0,
          successful: CALLS,
          failed: 0,
        });
      }
      lastEnded = Date.now();
      bad ??= badLoad(stage); // goes on while the others are called
    },
    120_000,
  );

  it('of 60 while three of ten messages are lost none hangs', async () => {
    const { stage } = runs.get('one process') as Run;
    const { tookMs, successful, failed, output } = await (bad as NonNullable<typeof bad>);
    expect(tookMs, output).toBeLessThan(BAD_MS);
    expect(successful + failed, output).toBe(BAD_CALLS);
    expect(successful, output).toBeGreaterThan(BAD_CALLS * 0.8);
    // Whom sipp gave up: our 200 has no ACK for 64*T1, and then the leg is closed and a BYE says so.
    const legs = (): Promise<unknown[] | undefined> => stage.server.api('GET', '/legs');
    await stage.server.until('none hangs', legs, l => l?.length === 0, 40_000);
    lastEnded = Date.now();
  }, 150_000);

  it('40 s later nothing of them is left', async () => {
    expect([...runs.keys()]).toEqual(ARRANGEMENTS);
    await wait(lastEnded + LATER_MS - Date.now());
    for (const [arrangement, { stage, processes }] of runs) {
      for (const { name, inspector, before } of processes) {
        const after = await inspector.holdings();
        const grown = after.heapBytes - before.heapBytes;
        console.log(
          `${arrangement}, ${name}: ${JSON.stringify(after.handles)}, heap ${(grown / 1024 / 1024).toFixed(1)} MB more`,
        );
        const { Timeout = 0, ...handles } = after.handles;
        const { Timeout: timeout = 0, ...start } = before.handles;
        expect(handles, `sockets of ${name}`).toEqual(start);
        expect(Timeout, `timers of ${name}`).toBeLessThanOrEqual(timeout); // those of the first 100 ran then
        expect(grown, `heap of ${name}`).toBeLessThan(HEAP_BYTES);
      }
      expect(await stage.server.api('GET', '/rooms')).toEqual([]);
      expect(await stage.server.api('GET', '/legs')).toEqual([]);
      expect(stage.server.bugs()).toEqual([]);
    }
  }, 90_000);
});
