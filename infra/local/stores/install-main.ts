import { INSTALLABLE, REFUSAL } from './install.ts';
import { ensurePrograms } from './programs.ts';
import { describeFailure } from '../start-error.ts';

/** Installs the programs that its arguments name, and prints what it does and why it failed. */
try {
  ensurePrograms(
    INSTALLABLE.filter(({ binary }) => process.argv.includes(binary)),
    (line) => {
      console.log(line);
    },
  );
} catch (error) {
  console.log(REFUSAL + describeFailure(error));
  process.exitCode = 1;
}
