import { Injectable } from '@nestjs/common';

/**
 * Work that goes on if its client hangs up, and that uses the database at its
 * end: the HTTP server does not wait for it when it closes.
 */
@Injectable()
export class InFlight {
  private readonly open = new Set<Promise<unknown>>();

  /** Notes work until its end. @returns the same work */
  async add<Result>(work: Promise<Result>): Promise<Result> {
    this.open.add(work);
    try {
      return await work;
    } finally {
      this.open.delete(work);
    }
  }

  /** Resolves once no work is open; never rejects. */
  async settled(): Promise<void> {
    while (this.open.size > 0) await Promise.allSettled(this.open);
  }
}
