import { once } from 'node:events';
import { WebSocket } from 'ws';
import stomp from '../../../gateways/stomp/index.ts';
import type { Gateway } from '../../../src/contract.ts';
import { readFrame, writeFrame } from '../../../src/proto/stomp/frame.ts';
import { CREDENTIAL, type Stage, type Subject } from '../harness.ts';
import { openMount } from './mount.ts';

/** CONNECT and SUBSCRIBE over a WebSocket of its own; resolves when the room has answered. */
async function member(stage: Stage): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${stage.mount?.port}/stomp`, ['v12.stomp']);
  stage.undo.push(async () => {
    if (socket.readyState === WebSocket.CLOSED) return;
    socket.terminate();
    await once(socket, 'close');
  });
  return await new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', (_code, why) => reject(new Error(String(why))));
    socket.on('open', () =>
      socket.send(writeFrame('CONNECT', { 'accept-version': '1.2', login: 'alice', passcode: CREDENTIAL })),
    );
    socket.on('message', (data: Buffer) => {
      const read = readFrame(data);
      if (!('frame' in read)) return;
      const { command, body } = read.frame;
      if (command === 'CONNECTED')
        socket.send(writeFrame('SUBSCRIBE', { id: '0', destination: '/room/1000' }));
      else if (command === 'MESSAGE') resolve(socket);
      else if (command === 'ERROR') reject(new Error(body));
    });
  });
}

/** Its legs live on a WebSocket of their own: a small client opens one. */
export const stomps: readonly Subject[] = [
  {
    name: 'stomp',
    gateway: stomp as Gateway,
    config: {},
    mount: openMount,
    roles: ['signal'],
    confirmed: 'at-once',
    bad: [null, {}, { connection: 7 }, { connection: 'nobody' }],
    async join(stage) {
      const socket = await member(stage);
      const held = stage.legs.at(-1);
      if (held === undefined) throw new Error('no leg came of the WebSocket');
      return { held, hangUp: () => socket.terminate() };
    },
  },
];
