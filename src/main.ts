import { readFileSync } from 'node:fs';
import { demo } from '../gateways/dialer/demo.ts';
import { dial } from '../gateways/dialer/index.ts';
import echo from '../gateways/echo/index.ts';
import native from '../gateways/native/index.ts';
import rtmp from '../gateways/rtmp/index.ts';
import sip from '../gateways/sip/index.ts';
import stomp from '../gateways/stomp/index.ts';
import webrtc from '../gateways/webrtc/index.ts';
import { checkCommand } from './cli/check.ts';
import { runCli } from './cli/command.ts';
import { configCommand } from './cli/config.ts';
import { demoCommand } from './cli/demo.ts';
import { dialCommand } from './cli/dial.ts';
import { drillCommand } from './cli/drill.ts';
import { tokenCommand } from './cli/token.ts';
import { upCommand } from './cli/up.ts';
import { composeConfig } from './config.ts';
import type { Gateway } from './contract.ts';
import { systemClock } from './io/clock.ts';

/** Every gateway there is: a new one is a folder and a line here. */
export const gateways: readonly Gateway[] = [sip, rtmp, webrtc, stomp, native, echo] as readonly Gateway[];

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Loaded by those who dial, not by every command. */
const nativeJoin = async () => (await import('../gateways/native/client/index.ts')).join;

/** The composition root: everything is put together here and nowhere else. Returns the exit status. */
export function main(argv: readonly string[]): Promise<number> {
  const composed = composeConfig(gateways);
  return runCli(argv, [
    upCommand(composed, gateways, version),
    demoCommand(composed, gateways, version, demo),
    dialCommand((ask, say, signal) => dial(ask, say, signal, systemClock, nativeJoin)),
    drillCommand(composed),
    checkCommand(composed, {}, gateways),
    configCommand(composed),
    tokenCommand(composed),
  ]);
}
