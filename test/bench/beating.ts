/** The other side of `heartbeats`: says the adverts of so many processes, each once a second. Arguments: NATS address, how many, agents in each. */
import { natsBus } from '../../src/bus/nats.ts';
import type { Json } from '../../src/contract.ts';
import { systemClock } from '../../src/io/clock.ts';
import { subjects } from '../../src/node/subjects.ts';
import { advertOf } from './agents.ts';

const [url = '', count = '0', each = '1'] = process.argv.slice(2);
const processes = Number(count);
const TICK_MS = 1; // so that hardly two come together

const bus = await natsBus({ url, name: 'beating', clock: systemClock, onBug: () => {}, count: () => {} });
const since = performance.now();
let said = 0;
setInterval(() => {
  const due = ((performance.now() - since) / 1000) * processes;
  for (; said < due; said++)
    bus.publish(
      subjects.advert,
      advertOf(said % processes, Math.floor(said / processes), Number(each)) as unknown as Json,
    );
}, TICK_MS);
process.send?.({ beating: true });
