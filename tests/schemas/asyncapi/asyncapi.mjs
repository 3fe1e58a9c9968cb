// Reads an AsyncAPI document with AsyncAPI's own parser; prints its diagnostics as JSON lines.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
for (const { severity, code, message, path } of diagnostics) {
  console.log(JSON.stringify({ severity, code, message, path: path.join(".") }));
}
process.exit(document ? 0 : 1);
