/** Where `MfaGuard` finds things on a request of your application. */
export interface MfaOptions {
  /**
   * The signed-in user's `unique_id`; `undefined` where nobody is signed in.
   *
   * @default `request.user.id`, then `request.user.sub`
   */
  userId?: (request: any) => string | number | undefined;

  /**
   * The code the user sent with the request; `undefined` where there is none.
   *
   * @default the header `x-mfa-code`
   */
  code?: (request: any) => string | undefined;
}
