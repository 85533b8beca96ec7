const FLOOR_DB = -60;

/** Shows how loud a microphone is. */
export class LevelMeter {
  readonly #element: HTMLMeterElement;
  #context: AudioContext | undefined;
  #frame = 0;
  #track: MediaStreamTrack | undefined;

  constructor(element: HTMLMeterElement) {
    this.#element = element;
  }

  /** Undefined: nothing to measure. */
  listen(track: MediaStreamTrack | undefined): void {
    if (track === this.#track) return;
    this.#track = track;
    this.#stop();
    if (track === undefined) {
      this.#element.value = 0;
      return;
    }
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const look = (): void => {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, s) => sum + s * s, 0) / samples.length;
      const db = 10 * Math.log10(power + 1e-12);
      this.#element.value = track.enabled ? 100 * (1 - db / FLOOR_DB) : 0; // the element keeps it within its bounds
      this.#frame = requestAnimationFrame(look);
    };
    this.#context = context;
    this.#frame = requestAnimationFrame(look);
  }

  #stop(): void {
    cancelAnimationFrame(this.#frame);
    void this.#context?.close();
    this.#context = undefined;
  }
}
