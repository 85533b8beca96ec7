import { connect, type NativeMember } from '../../../gateways/native/client/index.ts';
import native from '../../../gateways/native/index.ts';
import type { Gateway } from '../../../src/contract.ts';
import { CREDENTIAL, type Stage, type Subject } from '../harness.ts';

/** By the client library; its socket is killed when the peer is to go without a word. */
async function member(stage: Stage): Promise<NativeMember> {
  const url = (stage.addresses[0]?.url ?? '').replace('<room>', '1000');
  const joined = await connect({ url, user: 'alice', token: CREDENTIAL, insecure: true, webSocket: false });
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
