/** The entry of a video worker thread; started through worker.js. */
import { parentPort } from 'node:worker_threads';
import { leaveWhenTold } from './farewell.ts';
import { serve } from './serve.ts';
import type { WorkerPort } from './wire.ts';

leaveWhenTold(parentPort);
await serve(parentPort as unknown as WorkerPort);
