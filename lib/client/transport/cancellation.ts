/**
 * Ends a call early: by its deadline, by unsubscription or at shutdown. Works as
 * an `AbortController` with a single listener, which is all a call needs: Node
 * takes 7 µs to create an `AbortSignal`, a tenth of the CPU time of a call.
 */
export class Cancellation {
  /** The error to end with; `undefined` until {@link cancel}. */
  private error: unknown;
  private listener: ((error: unknown) => void) | undefined;

  /** Only the first time counts. */
  cancel(error: unknown): void {
    if (this.error !== undefined) return;
    this.error = error;
    this.listener?.(error);
  }

  /** @throws the error of {@link cancel}, if that was called */
  throwIfCancelled(): void {
    if (this.error !== undefined) throw this.error as Error;
  }

  /** Sets the listener, in the place of any other; `undefined` removes it. */
  onCancel(listener: ((error: unknown) => void) | undefined): void {
    this.listener = listener;
  }
}
