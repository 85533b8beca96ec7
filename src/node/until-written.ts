import type { Clock, Log } from '../contract.ts';

/** A store that does not answer is asked again, so often. */
const AGAIN_AFTER_MS = 1000;
const MAX_AGAIN = 120;

/** What `write` answered; undefined: the store has not taken it for two minutes, or `isOver`. Never rejects. */
export async function untilWritten<T>(
  write: () => Promise<T>,
  o: { readonly clock: Clock; readonly log: Log; readonly isOver: () => boolean },
): Promise<T | undefined> {
  for (let tries = 1; ; tries++)
    try {
      return await write();
    } catch (error) {
      if (tries === MAX_AGAIN || o.isOver()) {
        o.log.warn(
          { err: error },
          'the store does not answer: what has changed of a room is not written down',
        );
        return undefined;
      }
      await new Promise<void>(resolve => o.clock.at(o.clock.now() + AGAIN_AFTER_MS, resolve));
    }
}
