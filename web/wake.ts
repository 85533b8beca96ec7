/** A telephone that goes to sleep would end the stay. */
export class Wake {
  #lock: Promise<WakeLockSentinel | undefined> | undefined;
  #wanted = false;

  constructor() {
    // The browser takes the lock back whenever the page is hidden.
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.hold(this.#wanted);
    });
  }

  hold(on: boolean): void {
    this.#wanted = on;
    void this.#lock?.then(lock => lock?.release());
    this.#lock = on ? navigator.wakeLock?.request('screen').catch(() => undefined) : undefined; // low battery, say
  }
}
