// validate.js FILE - each line {"schema": ..., "samples": [text, ...]}: is every text valid by ajv?
// SPDX-License-Identifier: MIT
const fs = require("fs"), Ajv = require("ajv"), formats = require("ajv-formats");
let schemas = 0, texts = 0, wrong = 0, unread = 0;
for (const line of fs.readFileSync(process.argv[2], "utf8").split("\n")) {
    if (!line) continue;
    const { schema, samples } = JSON.parse(line);
    const ajv = new Ajv({ strict: false, ownProperties: true });
    formats(ajv);
    let check;
    try {
        check = ajv.compile(schema);
    } catch (e) {
        console.log("ajv does not take", JSON.stringify(schema).slice(0, 120), String(e).slice(0, 80));
        unread++;
        continue;
    }
    schemas++;
    for (const text of samples) {
        texts++;
        let value;
        try {
            value = JSON.parse(text);
        } catch (e) {
            console.log("no JSON:", text.slice(0, 200));
            wrong++;
            continue;
        }
        if (!check(value)) {
            if (wrong++ < 20)
                console.log("invalid:", JSON.stringify(schema).slice(0, 200), text.slice(0, 200),
                            ajv.errorsText(check.errors));
        }
    }
    if (samples.length === 0) console.log("no sample came to its end:", JSON.stringify(schema).slice(0, 120));
}
console.log(`${schemas} schemas, ${texts} texts, ${wrong} invalid; ${unread} schemas ajv does not take`);
process.exit(wrong ? 1 : 0);
