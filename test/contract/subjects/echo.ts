import echo from '../../../gateways/echo/index.ts';
import type { Gateway } from '../../../src/contract.ts';
import type { Subject } from '../harness.ts';

export const echoes: readonly Subject[] = [
  {
    name: 'echo',
    gateway: echo as Gateway,
    config: {},
    roles: ['send', 'receive'],
    confirmed: 'at-once',
    bad: [null, 'v=0', { sdp: 'v=0' }, [1]],
    join: async stage => ({ held: await stage.place(stage.request({ type: 'offer', native: {} })) }),
  },
];
