/** Prints what the results of jest in these files add up to; exits with 1 where a test failed or none ran. */
import { existsSync, readFileSync } from 'node:fs';

const runs = process.argv
  .slice(2)
  .filter((file) => existsSync(file))
  .map((file) => JSON.parse(readFileSync(file, 'utf8')));
const sum = (name) => runs.reduce((total, run) => total + run[name], 0);

const passed = sum('numPassedTests');
// A file that does not load has no tests, and is one failure.
const failed = sum('numFailedTests') + sum('numRuntimeErrorTestSuites');
const skipped = sum('numPendingTests') + sum('numTodoTests');
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
if (failed > 0 || passed === 0) process.exitCode = 1;
