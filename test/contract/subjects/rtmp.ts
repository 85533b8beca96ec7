import rtmp from '../../../gateways/rtmp/index.ts';
import type { Gateway } from '../../../src/contract.ts';
import { systemClock } from '../../../src/io/clock.ts';
import { rtmpClient } from '../../harness/peers/rtmp-client.ts';
import { CREDENTIAL, type Subject } from '../harness.ts';

/** Its legs live on a connection of their own: a client of ours opens one. */
const subject = (mode: 'publish' | 'play', path: string): Subject => ({
  name: `rtmp, ${mode}`,
  gateway: rtmp as Gateway,
  config: { address: '127.0.0.1', port: 0 },
  roles: [mode === 'publish' ? 'send' : 'receive'],
  confirmed: mode === 'publish' ? 'by-media' : 'at-once',
  bad: [null, {}, { connection: 7, stream: mode }, { connection: 'nobody', stream: mode }],
  async join(stage) {
    const port = Number(/:(\d+)\//.exec(stage.addresses[0]?.url ?? '')?.[1]);
    const legs = stage.legs.length;
    const client = await rtmpClient(port, mode, path, systemClock, 1);
    stage.undo.push(async () => {
      client.kill();
      await client.closed;
    });
    const first = await client.until(e => e.type === 'ready' || e.type === 'end');
    if (first.type === 'end') throw new Error(first.why.text);
    while (stage.legs.length === legs) await new Promise(done => setImmediate(done)); // `ready` is said from inside `take`
    const held = stage.legs.at(-1);
    if (held === undefined) throw new Error('no leg came of the connection');
    return { held, hangUp: () => client.kill() };
  },
});

export const rtmps: readonly Subject[] = [
  subject('publish', `room/1000/alice?token=${CREDENTIAL}`),
  subject('play', `room/1000?as=alice&token=${CREDENTIAL}`),
];
