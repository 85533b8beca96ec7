/** Thrown when the server says no, in its own words. `final`: asking again would not help. */
export class Refused extends Error {
  readonly reason: string;
  readonly final: boolean;
  constructor(reason: string, text: string, final: boolean) {
    super(text);
    this.reason = reason;
    this.final = final;
  }
}
