/** Injection token: the path the module is mounted at, `''` or `/gauthify`. */
export const MOUNT_PATH = Symbol('GAUTHIFY_MOUNT_PATH');

/** Injection token: whether the application serves nothing but this server. */
export const STANDALONE = Symbol('GAUTHIFY_STANDALONE');

/** Normalizes `gauthify/` and `gauthify` to `/gauthify`. */
export function toMountPath(path: string | undefined): string {
  const inner = (path ?? '').replace(/^\/+|\/+$/g, '');
  return inner && `/${inner}`;
}
