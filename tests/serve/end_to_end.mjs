// end_to_end.mjs ROOT PORT SUITE [KEYS] - the official clients against a server of the bundled model.  Replies of OpenAI's
// API go to $REPLIES, a line each, as validate.js reads them.  TAP.  SPDX-License-Identifier: MIT
import assert from "node:assert";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const [root, port, suite, ...keys] = process.argv.slice(2);
const base = `http://127.0.0.1:${port}`;
const from = (dir) => createRequire(path.resolve(root, dir, "x.js"));
const OpenAI = from("build/openai")("openai"), Anthropic = from("build/sdk")("@anthropic-ai/sdk");
const openai = (apiKey, more) => new OpenAI({ apiKey, baseURL: `${base}/v1`, maxRetries: 0, ...more });
const anthropic = (apiKey, more) => new Anthropic({ apiKey, authToken: null, baseURL: base, maxRetries: 0, ...more });
const o = openai("none"), a = anthropic("none");

const model = "any", user = (content) => [{ role: "user", content }];
const story = { model, messages: user("Tell me a story about a cat."), max_tokens: 24, seed: 7 };
const message = { model, messages: user("Tell me a story."), max_tokens: 24, seed: 7 };

const seen = (schema, value) => {
    if (process.env.REPLIES) fs.appendFileSync(process.env.REPLIES, JSON.stringify({ schema, value }) + "\n");
    return value;
};
const chat = async (ask) => seen("CreateChatCompletionResponse", await o.chat.completions.create(ask));
const complete = async (ask) => seen("CreateCompletionResponse", await o.completions.create(ask));
const pieces = async (stream, schema) => {
    const all = [];
    for await (const chunk of stream) all.push(schema ? seen(schema, chunk) : chunk);
    return all;
};
const get = async (what) => (await fetch(base + what)).json();
const refused = (promise, status, ...words) => assert.rejects(promise, (e) => {
    assert.strictEqual(e.status, status, e.message);
    for (const word of words) assert.match(e.message, word);
    return true;
});
const idle = async () => {
    const t0 = Date.now();
    let load;
    do load = await get("/load");
    while ((load.active || load.waiting || load.cache_used) && Date.now() - t0 < 1000);
    assert.deepStrictEqual([load.active, load.waiting, load.cache_used], [0, 0, 0]);
};

// A schema that the bundled model cannot fail to come to the end of.
const schema = {
    type: "object", required: ["city", "days"], additionalProperties: false,
    properties: { city: { type: "string", maxLength: 12 }, days: { type: "integer", minimum: 1, maximum: 9 } },
};
const obeys = (v) => {
    assert.deepStrictEqual(Object.keys(v), ["city", "days"]);
    assert.strictEqual(typeof v.city, "string");
    assert(v.city.length <= 12 && Number.isInteger(v.days) && v.days >= 1 && v.days <= 9);
};
const tools = ["weather", "forecast"].map((name) => ({ type: "function", function: { name, parameters: schema } }));

const tests = {
    async "openai: models"() {
        const { data } = await o.models.list();
        assert.strictEqual(data[0].id, "chalcis-tiny");
        seen("ListModelsResponse", { object: "list", data });
        assert.strictEqual((await o.models.retrieve("chalcis-tiny")).id, "chalcis-tiny");
    },
    async "openai: plain"() {
        const r = await chat(story);
        assert(r.choices[0].message.content.length > 0);
        assert.strictEqual(r.choices[0].finish_reason, "length");
        assert.strictEqual(r.usage.completion_tokens, 24);
        assert.strictEqual(r.usage.total_tokens, r.usage.prompt_tokens + 24);
    },
    async "openai: a seed draws the same again, another one something else"() {
        const [one, two, other] = await Promise.all([chat(story), chat(story), chat({ ...story, seed: 8 })]);
        assert.strictEqual(one.choices[0].message.content, two.choices[0].message.content);
        assert.notStrictEqual(one.choices[0].message.content, other.choices[0].message.content);
    },
    async "openai: a stream is the whole, and tells its usage last"() {
        const whole = await chat({ ...story, logprobs: true, top_logprobs: 2 });
        const ask = { ...story, logprobs: true, top_logprobs: 2, stream: true, stream_options: { include_usage: true } };
        const all = await pieces(await o.chat.completions.create(ask), "CreateChatCompletionStreamResponse");
        const last = all.pop();
        assert.deepStrictEqual(last.choices, []);
        assert.strictEqual(last.usage.completion_tokens, whole.usage.completion_tokens);
        assert(all.every((c) => c.id === last.id && !c.usage));
        const choices = all.map((c) => c.choices[0]);
        const text = choices.map((c) => c.delta.content ?? "").join("");
        assert.strictEqual(text, whole.choices[0].message.content);
        assert.strictEqual(choices.at(-1).finish_reason, "length");
        assert.deepStrictEqual(choices.flatMap((c) => c.logprobs?.content ?? []), whole.choices[0].logprobs.content);
        assert.strictEqual(whole.choices[0].logprobs.content.length, 24);
    },
    async "openai: three answers are those of three streams"() {
        const r = await chat({ ...story, n: 3 });
        assert.deepStrictEqual(r.choices.map((c) => c.index), [0, 1, 2]);
        const texts = r.choices.map((c) => c.message.content);
        assert.strictEqual(new Set(texts).size, 3);
        assert.strictEqual(r.usage.completion_tokens, 72);
        const told = ["", "", ""];
        for await (const { choices: [c] } of await o.chat.completions.create({ ...story, n: 3, stream: true }))
            told[c.index] += c.delta.content ?? "";
        assert.deepStrictEqual(told, texts);
    },
    async "openai: a stop text ends it and is not in it"() {
        const { choices: [free] } = await chat(story);
        const stop = free.message.content.slice(10, 13);
        const { choices: [c] } = await chat({ ...story, stop });
        assert.strictEqual(c.finish_reason, "stop");
        assert.strictEqual(c.message.content, free.message.content.slice(0, free.message.content.indexOf(stop)));
        const helper = o.chat.completions.stream({ ...story, stop: ["never there", stop] });
        assert.strictEqual((await helper.finalChatCompletion()).choices[0].message.content, c.message.content);
    },
    async "openai: completions tell the prompt and its log-probs"() {
        const ask = { model, prompt: ["Once upon a time", "The cat"], max_tokens: 3, logprobs: 2, echo: true, temperature: 0 };
        const r = await complete(ask);
        r.choices.forEach((c, i) => {
            assert.strictEqual(c.index, i);
            assert(c.text.startsWith(ask.prompt[i]) && c.text.length > ask.prompt[i].length);
            const { tokens, token_logprobs, top_logprobs, text_offset } = c.logprobs;
            assert(tokens.length === token_logprobs.length && tokens.length === text_offset.length);
            assert.strictEqual(token_logprobs[0], null);
            assert(token_logprobs.slice(1).every((p) => p <= 0));
            assert(top_logprobs.slice(-3).every((t, k) => Math.max(...Object.values(t)) === token_logprobs.at(k - 3)));
            tokens.slice(1).forEach((t, k) => assert.strictEqual(c.text.substr(text_offset[k + 1], t.length), t));
        });
        const told = ["", ""];
        const stream = await o.completions.create({ ...ask, stream: true });
        for (const { choices: [c] } of await pieces(stream, "CreateCompletionResponse")) told[c.index] += c.text;
        assert.deepStrictEqual(told, r.choices.map((c) => c.text));
    },
    async "openai: embeddings are of length 1, however many dimensions"() {
        const length = (v) => Math.sqrt(v.reduce((s, x) => s + x * x, 0));
        const input = ["a cat", "a dog", "a cat"];
        const ask = { model, input, encoding_format: "float" };
        const { data } = seen("CreateEmbeddingResponse", await o.embeddings.create(ask));
        assert(data.every((d) => Math.abs(length(d.embedding) - 1) < 1e-5));
        assert.deepStrictEqual(data[0].embedding, data[2].embedding);
        assert.notDeepStrictEqual(data[0].embedding, data[1].embedding);
        assert.deepStrictEqual((await o.embeddings.create({ model, input })).data, data.map((d) =>
            ({ ...d, embedding: [...new Float32Array(d.embedding)] })));
        const [few] = (await o.embeddings.create({ ...ask, dimensions: 8 })).data;
        assert.strictEqual(few.embedding.length, 8);
        assert(Math.abs(length(few.embedding) - 1) < 1e-5);
        await refused(o.embeddings.create({ ...ask, dimensions: 100000 }), 400, /dimensions/, /100000/);
    },
    async "openai: a text obeys its schema"() {
        const response_format = { type: "json_schema", json_schema: { name: "trip", strict: true, schema } };
        for (let seed = 1; seed <= 3; seed++) {
            const { choices: [c] } = await chat({ ...story, seed, max_tokens: 200, response_format });
            assert.strictEqual(c.finish_reason, "stop");
            obeys(JSON.parse(c.message.content));
        }
        const { choices: [c] } = await chat({ ...story, max_tokens: 400, response_format: { type: "json_object" } });
        if (c.finish_reason === "stop") JSON.parse(c.message.content);
    },
    async "openai: a call that is required, by any name or one"() {
        for (const tool_choice of ["required", { type: "function", function: { name: "forecast" } }]) {
            const ask = { ...story, max_tokens: 200, tools, tool_choice };
            const { choices: [c] } = await chat(ask);
            const call = c.message.tool_calls[0];
            assert.strictEqual(c.finish_reason, "tool_calls");
            assert(tools.some((t) => t.function.name === call.function.name));
            if (tool_choice.function) assert.strictEqual(call.function.name, "forecast");
            obeys(JSON.parse(call.function.arguments));
            const { choices: [s] } = await o.chat.completions.stream(ask).finalChatCompletion();
            assert.strictEqual(s.finish_reason, "tool_calls");
            assert.strictEqual(s.message.tool_calls[0].function.arguments, call.function.arguments);
        }
    },
    async "openai: a required call without room ends by its length"() {
        const { choices: [c] } = await chat({ ...story, max_tokens: 2, tools: [tools[0]], tool_choice: "required" });
        assert.strictEqual(c.finish_reason, "length");
        assert(!c.message.tool_calls?.length);
    },
    async "openai: mistakes are told"() {
        const json = { method: "POST", headers: { "content-type": "application/json" } };
        const bad = await fetch(`${base}/v1/chat/completions`, { ...json, body: '{"messages": [' });
        assert.strictEqual(bad.status, 400);
        assert.strictEqual((await bad.json()).error.type, "invalid_request_error");
        const wrong = [[{ messages: "hello" }, /messages/], [{ temperature: "hot" }, /temperature/], [{ n: 0 }, /"n"/],
            [{ max_tokens: 1.5 }, /max_tokens/], [{ messages: [{ role: "king", content: "" }] }, /role/],
            [{ response_format: { type: "json_schema", json_schema: { name: "x", schema: { type: "what" } } } }, /type/]];
        for (const [fields, word] of wrong) await refused(o.chat.completions.create({ ...story, ...fields }), 400, word);
        const long = "word ".repeat(3000);
        await refused(o.chat.completions.create({ ...story, messages: user(long) }), 400, /\b3\d\d\d\b/, /\b512\b/);
        await refused(o.completions.create({ model, prompt: long, stream: true }), 400, /\b3\d\d\d\b/, /\b512\b/);
        await refused(o.completions.create({ model, prompt: [999999] }), 400, /999999/);
        assert.strictEqual((await fetch(`${base}/v1/nothing`)).status, 404);
        assert.strictEqual((await fetch(`${base}/v1/completions`)).status, 405);
    },
    async "openai: who leaves in the middle is let go of"() {
        const ask = { ...story, max_tokens: 400, ignore_eos: true, n: 4, stream: true };
        const stream = await o.chat.completions.create(ask);
        for await (const _ of stream) break;
        await idle();
        const control = new AbortController();
        const whole = o.chat.completions.create({ ...ask, stream: false }, { signal: control.signal });
        setTimeout(() => control.abort(), 30);
        await assert.rejects(whole, OpenAI.APIUserAbortError);
        await idle();
        await assert.rejects(openai("none", { timeout: 20 }).chat.completions.create({ ...ask, n: 16, stream: false }),
            OpenAI.APIConnectionTimeoutError);
        await idle();
    },
    async "anthropic: plain, and a stream is the whole"() {
        const whole = await a.messages.create(message);
        assert.strictEqual(whole.stop_reason, "max_tokens");
        assert.strictEqual(whole.stop_sequence, null);
        assert.strictEqual(whole.usage.output_tokens, 24);
        const stream = await a.messages.stream(message).finalMessage();
        assert.deepStrictEqual(stream.content.map((b) => b.text), whole.content.map((b) => b.text));
        assert.strictEqual(stream.stop_reason, "max_tokens");
        assert.strictEqual(stream.usage.output_tokens, 24);
    },
    async "anthropic: a stop sequence is told"() {
        const free = (await a.messages.create(message)).content[0].text, stop = free.slice(10, 13);
        const ask = { ...message, stop_sequences: ["never there", stop] };
        for (const r of [await a.messages.create(ask), await a.messages.stream(ask).finalMessage()]) {
            assert.strictEqual(r.stop_reason, "stop_sequence");
            assert.strictEqual(r.stop_sequence, stop);
            assert.strictEqual(r.content[0].text, free.slice(0, free.indexOf(stop)));
        }
    },
    async "anthropic: a call that is required"() {
        const ask = { ...message, max_tokens: 200, tool_choice: { type: "any" },
            tools: tools.map((t) => ({ name: t.function.name, input_schema: schema })) };
        for (const r of [await a.messages.create(ask), await a.messages.stream(ask).finalMessage()]) {
            assert.strictEqual(r.stop_reason, "tool_use");
            obeys(r.content.find((b) => b.type === "tool_use").input);
        }
    },
    async "anthropic: a text obeys its schema"() {
        const r = await a.messages.create({ ...message, max_tokens: 200,
            output_config: { format: { type: "json_schema", schema } } });
        assert.strictEqual(r.stop_reason, "end_turn");
        obeys(JSON.parse(r.content[0].text));
    },
    async "anthropic: tokens are counted, and found again"() {
        const system = "You are a cat that tells long stories of mice. ".repeat(12);
        const { input_tokens } = await a.messages.countTokens({ model, system, messages: message.messages });
        await a.messages.create({ ...message, system });
        const { usage } = await a.messages.create({ ...message, system });
        assert.strictEqual(usage.input_tokens + usage.cache_read_input_tokens, input_tokens);
        assert(usage.cache_read_input_tokens > input_tokens / 2);
    },
    async "anthropic: mistakes are told"() {
        for (const [fields, word] of [[{ max_tokens: 0 }, /max_tokens/], [{ messages: [] }, /messages/],
            [{ temperature: 2 }, /temperature/], [{ messages: user("word ".repeat(3000)) }, /512/]])
            await refused(a.messages.create({ ...message, ...fields }), 400, word, /invalid_request_error/);
    },
    async "anthropic: who leaves in the middle is let go of"() {
        const stream = a.messages.stream({ ...message, max_tokens: 400, ignore_eos: true });
        stream.on("text", () => stream.abort());
        await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
        await idle();
    },
};

const own = { ...story, model: "tiny" };
const keyed = {
    async "keys: a wrong one is refused, for all but health"() {
        for (const key of ["sk-nobody-0123456789", "x"]) {
            await refused(openai(key).chat.completions.create(own), 401);
            await refused(anthropic(key).messages.create({ ...message, model: "tiny" }), 401, /authentication_error/);
            await refused(openai(key).models.list().then((l) => l.data), 401);
        }
        assert.strictEqual((await get("/health")).status, "ok");
    },
    async "keys: the right ones are let in"() {
        for (const key of keys) {
            assert((await openai(key).chat.completions.create(own)).choices[0].message.content);
            assert((await anthropic(key).messages.create({ ...message, model: "tiny" })).content[0].text);
        }
    },
    async "keys: what one has cached another does not find"() {
        const system = "A story of mice and of men, and of all that is between them. ".repeat(12);
        const cached = async (key) => (await anthropic(key).messages.create({ ...message, model: "tiny", system }))
            .usage.cache_read_input_tokens;
        const few = 16; // with pages of a few tokens, what each has asked before begins alike
        assert(await cached(keys[0]) < few);
        assert(await cached(keys[0]) > 4 * few);
        assert(await cached(keys[1]) < few);
    },
    async "keys: no more at once than the key may"() {
        const stream = await openai(keys[1]).chat.completions.create({ ...own, max_tokens: 400, ignore_eos: true, n: 16, stream: true });
        await refused(openai(keys[1]).chat.completions.create(own), 429);
        stream.controller.abort();
    },
    async "names: another model is not there"() {
        await refused(openai(keys[0]).chat.completions.create(story), 404, /any/, /tiny/);
        await refused(openai(keys[0]).models.retrieve("any"), 404, /tiny/);
        assert.strictEqual((await openai(keys[0]).models.retrieve("tiny")).id, "tiny");
    },
};
const changed = {
    async "keys: SIGHUP reads them again"() {
        await refused(openai(keys[0]).chat.completions.create(own), 401);
        assert((await openai(keys[1]).chat.completions.create(own)).choices[0].message.content);
    },
};

let n = 0;
for (const [name, test] of Object.entries({ all: tests, keys: keyed, changed }[suite]))
    try {
        await test();
        console.log(`ok ${++n} - ${name}`);
    } catch (e) {
        console.log(`not ok ${++n} - ${name}\n# ${String(e.stack).slice(0, 2000).replace(/\n/g, "\n# ")}`);
    }
process.exit(0);
