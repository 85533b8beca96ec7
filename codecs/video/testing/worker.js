// A video worker for tests: as the real one, but it fails as `globalThis.mode` says.
import { register as registerHook } from 'node:module';
import { parentPort } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

const { mode } = globalThis;
if (mode === 'no-node-av')
  registerHook(
    `data:text/javascript,export const resolve = (name, context, next) => {
      if (name.startsWith('node-av')) throw new Error('no such package');
      return next(name, context);
    };`,
  );
if (mode === 'stillborn') throw new Error('cannot begin');

register();
const { leaveWhenTold } = await import('../farewell.ts');
const { serve } = await import('../serve.ts');

leaveWhenTold(parentPort);

/** A picture whose third byte from the end is this fells the worker. */
const POISON = 0xee;
const poisoned = m => m.type === 'pictures' && m.pictures.some(p => p.bytes.at(-3) === POISON);

await serve({
  postMessage: (m, transfer) => parentPort.postMessage(m, transfer),
  on: (event, listener) =>
    parentPort.on(event, m => {
      if (mode === 'crash' && poisoned(m)) throw new Error('poison');
      if (mode === 'exit' && poisoned(m)) process.exit(7);
      if (mode === 'hang' && poisoned(m)) for (;;);
      listener(m);
    }),
});
