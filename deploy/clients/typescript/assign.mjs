// Writes a TypeScript file in which each event is assigned to the generated type of its name; tsc then says whether they
// fit: node assign.mjs TYPES_DIR OUT.ts < events.jsonl
import fs from 'node:fs';

const [types, out] = process.argv.slice(2);
const lines = fs.readFileSync(0, 'utf8').trim().split('\n');
const imports = new Set();
const events = lines.map((line, i) => {
  const name = JSON.parse(line).type.replace(/^lowcap\./, '').replace(/\.v1$/, '');
  const type = fs.readFileSync(`${types}/${name}.d.ts`, 'utf8').match(/export interface (\w+) \{/)[1];
  imports.add(`import type {${type}} from './${name}';`);
  return `const e${i}: ${type} = ${line};`;
});
fs.writeFileSync(out, [...imports, ...events, 'export {};', ''].join('\n'));
