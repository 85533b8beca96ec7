import { connect, type NativeMember } from '../../../gateways/native/client/index.ts';
import native from '../../../gateways/native/index.ts';
import type { Gateway } from '../../../src/contract.ts';
import { CREDENTIAL, type Stage, type Subject } from '../harness.ts';

/** A client tries UDP for long when a server has closed its stream; the suite does not. */
const JOIN_MS = 3000;

/** By the client library. */
async function member(stage: Stage): Promise<NativeMember> {
  const url = (stage.addresses[0]?.url ?? '').replace('<room>', '1000');
  const joined = await connect({
    url,
    user: 'alice',
    token: CREDENTIAL,
    insecure: true,
    webSocket: false,
    signal: AbortSignal.timeout(JOIN_MS),
  });
  stage.undo.push(() => joined.leave());
  return joined;
}

/** Its legs live on a session of their own: the client library opens one. */
export const natives: readonly Subject[] = [
  {
    name: 'native',
    gateway: native as Gateway,
    config: { address: '127.0.0.1', port: 0, tlsPort: 0 },
    roles: ['send', 'receive', 'signal'],
    confirmed: 'at-once',
    bad: [null, {}, { connection: 7 }, { connection: 'nobody' }],
    async join(stage) {
      await member(stage);
      const held = stage.legs.at(-1);
      if (held === undefined) throw new Error('no leg came of HELLO');
      return { held };
    },
  },
];
