import type { Composed } from '../config.ts';
import type { Gateway, Termination } from '../contract.ts';
import { type NodeOptions, type RunningNode, startNode } from '../node/start.ts';
import { createLog, type RootLog } from '../ops/log.ts';
import { announcement } from './announcement.ts';
import type { Command, Io } from './command.ts';
import { PROCESS_OPTIONS, readConfig } from './load.ts';
import { progress } from './progress.ts';

/** `roombridge up`: runs until it is told to stop. */
export const upCommand = (composed: Composed, gateways: readonly Gateway[], version: string): Command => ({
  name: 'up',
  summary: 'Runs Roombridge; by default everything in one process.',
  options: PROCESS_OPTIONS,
  run: (args, io) => runNode({ config: readConfig(composed, args, io.env), gateways, version }, io),
});

/**
 * Starts a process and runs it until it is told to stop. `guests` come when it is ready, and are asked to go first.
 * Returns the exit status.
 */
export async function runNode(
  { config, gateways, version }: Omit<NodeOptions, 'log'>,
  io: Io,
  guests?: (node: RunningNode, log: RootLog) => Promise<() => Promise<void>>,
): Promise<number> {
  const { level, pretty } = config.platform.log;
  const log = createLog({ level, pretty: pretty ?? io.stdout.isTTY === true });
  survive(log);
  const line = progress(io.stderr, 'starting');
  const node = await startNode({ config, gateways, log, version }).finally(() => line.end());
  io.stdout.write(announcement(node, config.platform, io.stdout.isTTY === true));
  const stopped = stopSignal();
  const leaving = guests?.(node, log);
  leaving?.catch(error => log.error({ err: error }, 'bug: the guests could not come'));
  const signal = await stopped;
  log.info({ signal }, 'stopping: no new legs, live ones are told');
  await stop(node, log, io, config.platform.drainMs, leaving);
  return 0;
}

/** A bug on a media path must not end the legs of others: it is logged, loudly, and life goes on. */
function survive(log: RootLog): void {
  process.on('uncaughtException', error => log.error({ err: error }, 'bug: an exception nobody caught'));
  process.on('unhandledRejection', error => log.error({ err: error }, 'bug: a rejection nobody caught'));
}

const stopSignal = (): Promise<string> =>
  new Promise(resolve => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', resolve);
  });

/** A drain that hangs must not hold the process: it exits after `drainMs` in any case. */
async function stop(
  node: RunningNode,
  log: RootLog,
  io: Io,
  drainMs: number,
  leaving: Promise<() => Promise<void>> | undefined,
): Promise<void> {
  const why: Termination = { blame: 'server', reason: 'shutting-down', text: 'The server is shutting down.' };
  const line = progress(io.stderr, 'ending calls');
  const tooLong = setTimeout(() => {
    log.error({}, 'stopping took too long: some peers were not told');
    process.exit(1); // not the polite end that was asked for
  }, drainMs);
  await leaving
    ?.then(leave => leave())
    .catch(error => log.error({ err: error }, 'bug: a guest could not leave'));
  await node.close(why);
  clearTimeout(tooLong);
  line.end();
  await log.close();
}
