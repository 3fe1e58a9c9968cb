// Checks golden messages against their JSON Schemas: node golden.mjs SCHEMAS MESSAGES
// Prints one JSON line per message; exits 1 when one does not fit.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";

const [schemas, messages] = process.argv.slice(2);
const read = (...path) => JSON.parse(readFileSync(join(...path), "utf8"));
const ajv = addFormats(new Ajv({ strict: true, allowUnionTypes: true }));
const validators = new Map(
  read(schemas, "index.json").messages.map(({ name, schema }) => [
    name,
    ajv.compile(read(schemas, schema)),
  ]),
);

let bad = 0;
for (const file of readdirSync(messages).sort()) {
  const validate = validators.get(file.split(".")[0]);
  const ok = validate(read(messages, file));
  bad += ok ? 0 : 1;
  console.log(JSON.stringify({ file, ok, errors: validate.errors }));
}
process.exit(bad ? 1 : 0);
