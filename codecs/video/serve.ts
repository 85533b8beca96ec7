import { Refusal } from '../../src/kit/refusal.ts';
import type { Av } from '../av.ts';
import { loadVideoAv } from './av.ts';
import { type Job, openJob } from './jobs.ts';
import type { CodedPicture, FromWorker, ToWorker, WorkerPort } from './wire.ts';

/** The life of a video worker: loads FFmpeg, says so, then does what comes. A bug ends it; the pool replaces it. */
export async function serve(port: WorkerPort): Promise<void> {
  let lib: Av;
  try {
    lib = await loadVideoAv();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return port.postMessage({ type: 'missing', why: error.why }, []);
  }
  const jobs = new Map<number, Job>();
  const answer = (m: ToWorker & { id: number }, broken: boolean, coded: CodedPicture[]): void => {
    const done: FromWorker = { type: 'done', job: m.job, id: m.id, coded, broken };
    port.postMessage(
      done,
      coded.map(picture => picture.bytes.buffer),
    );
  };
  const handle = (m: ToWorker): void => {
    if (m.type === 'open') return void jobs.set(m.job, openJob(lib, m.spec));
    const job = jobs.get(m.job);
    if (job === undefined) return 'id' in m ? answer(m, false, []) : undefined;
    const out: CodedPicture[] = [];
    switch (m.type) {
      case 'pictures':
        return answer(m, !job.pictures(m.cell, m.codec, m.pictures, out), out);
      case 'compose':
        job.compose(m.pts, out);
        return answer(m, false, out);
      case 'key':
        return job.coder.key();
      case 'bitrate':
        return job.coder.bitrate(m.bps);
      case 'cells':
        return job.cells(m.count);
      case 'clear':
        return job.clear(m.cell);
      case 'close':
        jobs.delete(m.job);
        job.close();
    }
  };
  port.on('message', m => {
    try {
      handle(m);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      jobs.get(m.job)?.close();
      jobs.delete(m.job);
      port.postMessage({ type: 'failed', job: m.job, why: error.why }, []);
    }
  });
  port.postMessage({ type: 'ready' }, []);
}
