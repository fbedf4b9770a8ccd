// openai_sdk.js DIR - what the official client makes of DIR/NAME, replies and streams: one and the
// same completion.  TAP.  SPDX-License-Identifier: MIT
const http = require("http"), fs = require("fs"), assert = require("assert");
const OpenAI = require("openai");
const dir = process.argv[2];
const messages = [{ role: "user", content: "Hi" }];

// Replies with the file that is named as the model, in pieces that are cut anywhere.
const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const { model, stream, encoding_format } = JSON.parse(body);
    const bytes = fs.readFileSync(`${dir}/${model}${encoding_format === "base64" ? " base64" : ""}`);
    response.writeHead(200, { "content-type": stream ? "text/event-stream" : "application/json" });
    for (let at = 0; at < bytes.length; at += 61) {
        response.write(bytes.subarray(at, at + 61));
        await new Promise(setImmediate);
    }
    response.end();
});

// Of both: the helper adds what it has parsed, and knows no reasoning.
function choices(completion) {
    return JSON.parse(JSON.stringify(completion.choices)).map((choice) => {
        delete choice.message.parsed;
        delete choice.message.reasoning;
        delete choice.message.reasoning_content;
        for (const call of choice.message.tool_calls ?? []) {
            delete call.index;
            delete call.function.parsed_arguments;
        }
        return choice;
    });
}

async function same(client, whole, streamed) {
    const one = await client.chat.completions.create({ model: whole, messages });
    const stream = client.chat.completions.stream({ model: streamed, messages });
    assert.deepStrictEqual(choices(await stream.finalChatCompletion()), choices(one));
}

async function reasoning(client) {
    let text = "";
    const ask = { model: "stream of reasoning", messages, stream: true };
    for await (const chunk of await client.chat.completions.create(ask))
        text += chunk.choices[0].delta.reasoning_content ?? chunk.choices[0].delta.content ?? "";
    assert.strictEqual(text, "Hm.So");
}

async function usage(client) {
    const ask = { model: "stream with usage and more", messages, stream: true };
    let last;
    for await (const chunk of await client.chat.completions.create(ask)) last = chunk;
    assert.deepStrictEqual(last.choices, []);
    assert.strictEqual(last.usage.prompt_tokens_details.cached_tokens, 8);
}

async function completions(client) {
    const ask = { prompt: ["a", "b"] }, text = ["", ""], why = [null, null];
    const whole = await client.completions.create({ ...ask, model: "prompts keep their index" });
    const stream = await client.completions.create({ ...ask, model: "completion stream", stream: true });
    for await (const chunk of stream)
        for (const choice of chunk.choices) {
            text[choice.index] += choice.text;
            why[choice.index] ??= choice.finish_reason;
        }
    assert.deepStrictEqual(text, whole.choices.map((c) => c.text));
    assert.deepStrictEqual(why, whole.choices.map((c) => c.finish_reason));
}

// It asks for base64 by itself.
async function embeddings(client) {
    const { data } = await client.embeddings.create({ model: "embedding", input: ["a", "b"] });
    const ask = { model: "embedding", input: ["a", "b"], encoding_format: "float" };
    assert.deepStrictEqual(data, (await client.embeddings.create(ask)).data.map((d) =>
        ({ ...d, embedding: [...new Float32Array(d.embedding)] })));
}

async function broken(client) {
    const stream = client.chat.completions.stream({ model: "failure", messages });
    await assert.rejects(stream.finalChatCompletion(), (e) =>
        e instanceof OpenAI.APIError && e.type === "server_error" && /failed/.test(e.message));
}

server.listen(0, "127.0.0.1", async () => {
    const baseURL = `http://127.0.0.1:${server.address().port}/v1`;
    const client = new OpenAI({ apiKey: "none", baseURL, maxRetries: 0 });
    const pairs = [["plain", "stream"], ["two answers", "stream of two"], ["calls", "stream of calls"],
        ["a function", "stream of a function"], ["reasoning", "stream of reasoning"],
        ["log-probs", "stream of log-probs"]];
    const tests = [...pairs.map(([whole, streamed]) => [whole, () => same(client, whole, streamed)]),
        ...[reasoning, usage, completions, embeddings, broken].map((f) => [f.name, () => f(client)])];
    let n = 0;
    console.log(`1..${tests.length}`);
    for (const [name, test] of tests)
        await test().then(() => console.log(`ok ${++n} - ${name}`),
            (e) => console.log(`not ok ${++n} - ${name}\n# ${String(e.stack).replace(/\n/g, "\n# ")}`));
    process.exit(0);
});
