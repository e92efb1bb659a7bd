import { SetMetadata } from '@nestjs/common';
import type { AnswerOfUser } from '../store/kept-answers.js';

/** How a call treats its repetitions with the same `Idempotency-Key`. */
export interface Repetition {
  /**
   * What a repetition is told once the user of the kept answer was reset,
   * deleted, or changed in an address or number. It may throw.
   *
   * @default a 409 `user_changed`
   */
  afterChange?: (kept: AnswerOfUser) => unknown;
  /**
   * Whether the call tries a code of the user `unique_id` names: one who has to
   * wait is then refused before anything is written.
   *
   * @default false
   */
  triesCode?: boolean;
}

export const REPETITION = 'gauthify:repetition';

/** Says how a call treats its repetitions, where it is not the default. */
export const OnRepetition = (repetition: Repetition): MethodDecorator =>
  SetMetadata(REPETITION, repetition);
