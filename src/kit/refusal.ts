/**
 * How a leg ended, or why it never began. `blame` is a metric label, `reason` a stable slug,
 * `text` one sentence for a person: what happened, which rule or hop, what to do.
 */
export interface Termination {
  readonly blame: 'none' | 'client' | 'server' | 'upstream';
  readonly reason: string;
  readonly text?: string;
}

/** A refusal on its way to whoever asked; every protocol turns it into its own words. Never a bug. */
export class Refusal extends Error {
  readonly why: Termination;
  constructor(why: Termination) {
    super(why.text ?? why.reason);
    this.name = 'Refusal';
    this.why = why;
  }
}

/** Shorthand for the common case. */
export const refuse = (blame: Termination['blame'], reason: string, text: string): Refusal =>
  new Refusal({ blame, reason, text });

/** The termination of anything thrown: refusals keep their words, all else is a bug of ours. */
export const terminationOf = (error: unknown): Termination =>
  error instanceof Refusal
    ? error.why
    : {
        blame: 'server',
        reason: 'internal-error',
        text: 'Roombridge failed on this leg; the log has the details.',
      };
