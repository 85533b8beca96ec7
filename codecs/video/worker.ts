/** The entry of a video worker thread; started through worker.js. */
import { parentPort } from 'node:worker_threads';
import { serve } from './serve.ts';
import type { WorkerPort } from './wire.ts';

await serve(parentPort as unknown as WorkerPort);
