// Parses the AsyncAPI document and every mermaid diagram of the pages: node docs.mjs asyncapi.json page.md...
// Says what it parsed, or what is wrong and exits 1.
import fs from 'node:fs';
import {JSDOM} from 'jsdom';
import {Parser} from '@asyncapi/parser';

const {window} = new JSDOM('');
globalThis.window = window; // mermaid asks for a browser even to parse
globalThis.document = window.document;
const {default: mermaid} = await import('mermaid');

const [api, ...pages] = process.argv.slice(2);
const {document, diagnostics} = await new Parser().parse(fs.readFileSync(api, 'utf8'), {source: api});
const errors = diagnostics.filter(d => d.severity === 0).map(d => `${d.path.join('.')}: ${d.message}`);
if (errors.length > 0) {
  console.error(errors.join('\n'));
  process.exit(1);
}
console.log(document.allMessages().length, 'messages');
let diagrams = 0;
for (const page of pages) {
  for (const [, diagram] of fs.readFileSync(page, 'utf8').matchAll(/```mermaid\n([^]*?)```/g)) {
    await mermaid.parse(diagram);
    diagrams++;
  }
}
console.log(diagrams, 'diagrams');
