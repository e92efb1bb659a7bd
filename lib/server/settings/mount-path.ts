/** Injection token: where the module is mounted, `''` or `/gauthify`. */
export const MOUNT_PATH = Symbol('GAUTHIFY_MOUNT_PATH');

/** Injection token: whether the application serves nothing but this server. */
export const STANDALONE = Symbol('GAUTHIFY_STANDALONE');

/** `gauthify/`, `/gauthify`: all `/gauthify`. */
export function toMountPath(path: string | undefined): string {
  const inner = (path ?? '').replace(/^\/+|\/+$/g, '');
  return inner && `/${inner}`;
}
