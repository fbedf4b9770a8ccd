// validate.js SPEC FILE - each line of FILE {"schema": name, "value": ...}: is it valid by OpenAI's specification?
// `nullable` in it means what it did before version 3.1.  And it is wrong of what the API does in completions: a choice of
// a chunk has finish_reason null until it ends, usage is null in chunks before the last, and an echoed prompt begins with a
// token that has no log-prob and no alternatives.
// SPDX-License-Identifier: MIT
const fs = require("fs"), Ajv = require("ajv/dist/2020");
const spec = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const orNull = (schema) => ({ anyOf: [schema, { type: "null" }] });
const walk = (x) => {
    if (Array.isArray(x)) return x.map(walk);
    if (x === null || typeof x !== "object") return x;
    const { nullable, ...rest } = Object.fromEntries(Object.entries(x).map(([k, v]) => [k, walk(v)]));
    return nullable === true ? orNull(rest) : nullable === undefined ? rest : { nullable, ...rest };
};
const schemas = walk(spec.components.schemas);
const completion = schemas.CreateCompletionResponse.properties;
const choice = completion.choices.items.properties, probs = choice.logprobs.anyOf[0].properties;
completion.usage = orNull(completion.usage);
choice.finish_reason = orNull(choice.finish_reason);
probs.token_logprobs.items = orNull(probs.token_logprobs.items);
probs.top_logprobs.items = orNull(probs.top_logprobs.items);

const ajv = new Ajv({ strict: false, validateFormats: false });
ajv.addSchema({ components: { schemas } }, "spec");
let wrong = 0, seen = 0;
for (const line of fs.readFileSync(process.argv[3], "utf8").split("\n")) {
    if (!line) continue;
    const { schema, value } = JSON.parse(line);
    const check = ajv.getSchema("spec#/components/schemas/" + schema);
    seen++;
    if (!check(value)) {
        wrong++;
        console.log("invalid:", schema, line.slice(0, 300), ajv.errorsText(check.errors));
    }
}
console.log(`${seen} values, ${wrong} invalid`);
process.exit(wrong || !seen ? 1 : 0);
