// Exits with 0 when package.json has a script of the given name.
import { readFileSync } from 'node:fs';

const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
if (!(process.argv[2] in scripts)) process.exitCode = 1;
