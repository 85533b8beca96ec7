import { readFileSync } from 'node:fs';
import { demo } from '../gateways/dialer/demo.ts';
import { dial } from '../gateways/dialer/index.ts';
import echo from '../gateways/echo/index.ts';
import rtmp from '../gateways/rtmp/index.ts';
import sip from '../gateways/sip/index.ts';
import stomp from '../gateways/stomp/index.ts';
import webrtc from '../gateways/webrtc/index.ts';
import { checkCommand } from './cli/check.ts';
import { runCli } from './cli/command.ts';
import { configCommand } from './cli/config.ts';
import { demoCommand } from './cli/demo.ts';
import { dialCommand } from './cli/dial.ts';
import { tokenCommand } from './cli/token.ts';
import { upCommand } from './cli/up.ts';
import { composeConfig } from './config.ts';
import type { Gateway } from './contract.ts';

/** Every gateway there is: a new one is a folder and a line here. */
export const gateways: readonly Gateway[] = [sip, rtmp, webrtc, stomp, echo] as readonly Gateway[];

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** The composition root: everything is put together here and nowhere else. Returns the exit status. */
export function main(argv: readonly string[]): Promise<number> {
  const composed = composeConfig(gateways);
  return runCli(argv, [
    upCommand(composed, gateways, version),
    demoCommand(composed, gateways, version, demo),
    dialCommand(dial),
    checkCommand(composed, {}, gateways),
    configCommand(composed),
    tokenCommand(composed),
  ]);
}
