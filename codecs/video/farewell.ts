/**
 * How a worker thread with FFmpeg ends. Its binding ends the whole process when its thread is stopped inside one of
 * its calls (what it returns cannot be made any more: "FATAL ERROR: napi_throw"), so a thread is asked to leave
 * between two messages, and stopped only when it does not.
 */
import type { MessagePort, Worker } from 'node:worker_threads';
import type { Clock } from '../../src/contract.ts';

const FAREWELL = 'farewell';
/** Longer than any picture takes: who has not left by then is in a loop. */
const GRACE_MS = 4000;

/** In the thread: leaves when told. */
export function leaveWhenTold(port: MessagePort | null): void {
  port?.on('message', m => {
    if (m === FAREWELL) process.exit(0);
  });
}

/** Resolves when it has ended. */
export function dismiss(worker: Worker, clock: Clock): Promise<void> {
  if (worker.threadId === -1) return Promise.resolve();
  return new Promise(done => {
    const disarm = clock.at(clock.now() + GRACE_MS, () => void worker.terminate());
    worker.once('exit', () => {
      disarm();
      done();
    });
    worker.postMessage(FAREWELL);
  });
}
