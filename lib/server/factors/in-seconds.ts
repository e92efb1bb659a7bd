/** `1 second`, `20 seconds`: for messages, whose readers may not see `Retry-After`. */
export function inSeconds(seconds: number): string {
  return `${seconds} second${seconds === 1 ? '' : 's'}`;
}
