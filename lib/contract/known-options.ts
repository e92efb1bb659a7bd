/**
 * Refuses an option that does not exist, and names the one that was probably
 * meant. Also finds options that a JavaScript or `useFactory` caller misspelled,
 * which no compiler sees.
 *
 * @param given the options as the application wrote them
 * @param known every option there is
 * @param fail makes the error: of the whole name of the unknown option, and of what is wrong with it
 * @param path where `given` stands, as `mfa.proof`; the top by default
 * @throws what `fail` returns, as for "retryPolicy: there is no such option; did you mean retry?"
 */
export function refuseUnknownOptions(
  given: object,
  known: readonly string[],
  fail: (option: string, problem: string) => Error,
  path = '',
): void {
  const unknown = Object.keys(given).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  // A name may come from a file, and must not steer the terminal.
  const at = (name: string) =>
    `${path === '' ? '' : `${path}.`}${name.replace(/[^ -~]/g, '?').slice(0, 100)}`;
  const meant = nearest(unknown, known);
  throw fail(
    at(unknown),
    meant === undefined
      ? `there is no such option; there are ${known.map(at).join(', ')}`
      : `there is no such option; did you mean ${at(meant)}?`,
  );
}

/** The known name most like a misspelled one; `undefined` if none is like it. */
export function nearest(
  name: string,
  known: readonly string[],
): string | undefined {
  const distances = known
    .map((it) => ({ name: it, distance: distanceOf(name, it) }))
    .sort((a, b) => a.distance - b.distance);
  const [best] = distances;
  return best && best.distance <= name.length / 2 ? best.name : undefined;
}

function distanceOf(given: string, known: string): number {
  const [a, b] = [given.toLowerCase(), known.toLowerCase()];
  // `retryPolicy` for `retry`, `timeout` for `timeoutMs`: nearer than any misspelling of another.
  if (a.startsWith(b) || b.startsWith(a)) return 0.5;
  if (a.includes(b) || b.includes(a)) return 0.75;
  return editDistance(a, b);
}

/** How many letters must be added, dropped or replaced to make `a` into `b` (Levenshtein). */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1];
    for (let column = 1; column <= b.length; column++)
      current[column] = Math.min(
        above[column]! + 1,
        current[column - 1]! + 1,
        above[column - 1]! + (letter === b[column - 1] ? 0 : 1),
      );
    above = current;
  }
  return above[b.length]!;
}
