// The documents themselves: the schemas compile, asyncapi.yaml is valid AsyncAPI, the event table and the
// schema of events name the same types and fields, and every store that ships is valid.
// usage: documents.mjs SOURCE_DIR BUILD_DIR
import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Parser } from '@asyncapi/parser';
import { loadSchemas } from './schemas.mjs';

const [source, build] = process.argv.slice(2);
const { dir, files, validate } = loadSchemas(source);
for (const f of files) validate(f, null); // compiles it
console.log(`schemas: ${files.length} compile`);

// References to files are left to ajv: the AsyncAPI parser would fetch them by its own rules.
const text = readFileSync(join(dir, 'asyncapi.yaml'), 'utf8').replace(/\$ref: ([a-z-]+\.json)/g, (_, f) => {
  assert.ok(files.includes(f), `asyncapi.yaml refers to ${f}, which is not there`);
  return `type: object, description: ${f}`;
});
const { document, diagnostics } = await new Parser().parse(text);
const errors = diagnostics.filter((d) => d.severity === 0).map((d) => `${d.path.join('.')}: ${d.message}`);
assert.deepEqual(errors, [], 'asyncapi.yaml');
console.log(`asyncapi: ${document.allChannels().length} channels, ${document.allOperations().length} operations`);

// The event table as the program prints it.
const table = JSON.parse(execFileSync(join(build, 'bin/norenctl'), ['events', '--json'], { encoding: 'utf8' }));
const schema = JSON.parse(readFileSync(join(dir, 'event.json'), 'utf8'));
const rows = Array.isArray(table) ? table : table.events;
const types = rows.map((e) => e.type).sort();
assert.deepEqual([...schema.properties.type.enum].sort(), types, 'types of event.json and of events.def');
const expand = { who: ['member_ref', 'tag'], change: Object.keys(schema.$defs.shelf_change.properties) };
for (const e of rows) {
  let def = schema.$defs[e.type];
  if (def.$ref) def = schema.$defs[def.$ref.split('/').pop()];
  const names = e.fields.flatMap((f) => (f.kind === 'who' || f.kind === 'shelf' ? expand[f.name] : [f.name]));
  const known = Object.keys(def.properties);
  for (const k of known) assert.ok(names.includes(k), `${e.type}: the schema has ${k}, the table has not`);
  for (const n of names) assert.ok(known.includes(n) || n === 'tag', `${e.type}: the table has ${n}, the schema has not`);
}
console.log(`events: ${types.length} types agree with the table`);

const boards = join(source, 'boards');
let stores = 0;
for (const b of readdirSync(boards)) {
  for (const name of ['planogram', 'map', 'campaigns']) {
    const file = join(boards, b, 'store', `${name}.json`);
    if (!existsSync(file)) continue;
    const bad = validate(`${name}.json`, JSON.parse(readFileSync(file, 'utf8')));
    assert.equal(bad, null, `${file}: ${bad}`);
    stores++;
  }
}
assert.ok(stores >= 3);
console.log(`stores: ${stores} documents valid`);
