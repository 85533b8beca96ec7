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
/** RFC 3261 §17.1.1.2: the last timers of a call run for 32 s. */
const LATER_MS = 40_000;
const HEAP_BYTES = 5 * 1024 * 1024;

interface Run {
  readonly stage: Stage;
  readonly processes: { readonly name: string; readonly inspector: Inspector; readonly before: Holdings }[];
}

const suite = missing('sipp') ? describe.skip : describe;

suite('500 calls at 50 a second', () => {
  const runs = new Map<Arrangement, Run>();
  let lastEnded = 0;
  afterAll(async () => {
    for (const { stage, processes } of runs.values()) {
      for (const { inspector } of processes) inspector.close(); // or its process waits for the debugger to leave
      await stage.close();
    }
  });

  it.each(ARRANGEMENTS)(
    'complete, and again while every tenth message is lost: %s',
    async arrangement => {
      const stage = await Stage.open(arrangement, '', ['--inspect=127.0.0.1:0']);
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

      await load(100); // what is made once and kept: compiled code, codecs, links between processes
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
    },
    120_000,
  );

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
