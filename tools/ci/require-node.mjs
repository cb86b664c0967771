// Exits with 1 and says why when this Node.js is older than package.json's `engines` allows.
import { readFileSync } from 'node:fs';

const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const least = engines.node.replace('>=', '').split('.').map(Number);
const own = process.versions.node.split('.').map(Number);
const firstDifference = own.map((part, i) => part - least[i]).find((difference) => difference !== 0) ?? 0;
if (firstDifference < 0) {
  console.error(`Millrace needs Node.js ${engines.node}; this is ${process.version}`);
  process.exitCode = 1;
}
