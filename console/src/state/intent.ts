// The name of what the operator wants. Asking again for the same thing after a failure repeats the name, so that the server does
// it once at most; a refusal or a success ends the intent. Pure but for making names.

import { Refused } from "../api/client";

/** Whether a failure leaves open if the request has arrived. */
export const mayHaveArrived = (error: unknown): boolean => !(error instanceof Refused && error.status >= 400 && error.status < 500);

export class Intent {
  private open: { wanted: string; name: string } | null = null;

  constructor(private readonly makeName: () => string) {}

  /** The name for what is `wanted`: the last one while that is not settled, else a fresh one. */
  nameOf(wanted: string): string {
    if (this.open?.wanted !== wanted) this.open = { wanted, name: this.makeName() };
    return this.open.name;
  }

  /** It was done, or refused for good. */
  settle(): void {
    this.open = null;
  }
}
