// What crossed the store's own broker, against the schemas of asyncapi.yaml's local/ channels.
// usage: local.mjs SOURCE_DIR WIRE_LOG      lines "topic payload", as mosquitto_sub -v prints them
import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { loadSchemas } from './schemas.mjs';

const [source, log] = process.argv.slice(2);
const { validate } = loadSchemas(source);
const schemaOf = [
  [/^local\/sighting\/[^/]+$/, 'local-sightings.json'],
  [/^local\/cells\/[^/]+$/, 'local-cells.json'],
  [/^local\/pos\/result$/, 'local-result.json'],
];
const seen = {};
for (const line of readFileSync(log, 'utf8').split('\n')) {
  const at = line.indexOf(' '), topic = line.slice(0, at);
  const row = schemaOf.find(([re]) => re.test(topic));
  // what the test itself sends is meant to be wrong, too
  if (!row || !line.endsWith('}') || line.includes('"sent_us":1,')) continue;
  const bad = validate(row[1], JSON.parse(line.slice(at + 1)));
  assert.equal(bad, null, `${topic}: ${bad}`);
  seen[row[1]] = (seen[row[1]] ?? 0) + 1;
}
assert.equal(Object.keys(seen).length, schemaOf.length, 'every kind of message was seen');
console.log('local:', JSON.stringify(seen));
