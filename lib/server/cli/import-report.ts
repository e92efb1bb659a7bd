import type { ImportReport } from '../transfer/importer.js';
import type { CommandTools } from './command-tools.js';

/** Prints what an import did, or in a dry run would do. */
export function tellImport(
  report: ImportReport,
  dryRun: boolean,
  tools: CommandTools,
): void {
  if (tools.isJson) return tools.print(JSON.stringify({ dryRun, ...report }));
  const { read, created, updated, skipped, refused } = report;
  tools.print(
    `${dryRun ? 'Dry run, nothing was changed: ' : ''}${read} users read, ${created} created, ${updated} updated, ${skipped} left as they are, ${refused} refused.`,
  );
  for (const [count, sentence] of [
    [
      report.withoutFactor,
      'have no authenticator app in the file: they have to enrol',
    ],
    [
      report.weakSecrets,
      'have a secret of fewer than 128 bits: let them enrol again when you can',
    ],
    [report.warnings, 'warnings about factors that were left out'],
    [
      report.recoveryCodesLeftOut,
      'recovery codes cannot work here and were left out: let people make new ones',
    ],
  ] as const)
    if (count > 0) tools.print(`${count} ${sentence}.`);
}
