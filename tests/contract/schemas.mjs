// Loads the JSON Schemas and the AsyncAPI document; shared by the checks of this suite.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

export function loadSchemas(source) {
  const dir = join(source, 'include/noren/schema');
  const ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true, strictRequired: false, strictTypes: false });
  addFormats(ajv);
  const files = readdirSync(dir).filter((f) => f.endsWith('.json'));
  const ids = {};
  for (const f of files) {
    const schema = JSON.parse(readFileSync(join(dir, f), 'utf8'));
    ajv.addSchema(schema);
    ids[f] = schema.$id;
  }
  return { dir, files, validate: (file, value) => {
    const check = ajv.getSchema(ids[file]);
    return check(value) ? null : ajv.errorsText(check.errors.slice(0, 4), { separator: '; ' });
  } };
}
