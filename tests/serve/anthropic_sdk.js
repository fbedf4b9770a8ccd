// anthropic_sdk.js DIR - what the official client makes of DIR/NAME.json and DIR/NAME.stream: one
// and the same message, told piece by piece.  TAP.  SPDX-License-Identifier: MIT
const http = require("http"), fs = require("fs"), assert = require("assert");
const Anthropic = require("@anthropic-ai/sdk");
const dir = process.argv[2], names = ["plain", "tools", "empty", "stopped", "full"];

// Replies with the file of the model that is asked for, a stream in pieces that are cut anywhere.
const server = http.createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const { model, stream } = JSON.parse(body);
    const type = stream ? "text/event-stream" : "application/json";
    const bytes = fs.readFileSync(`${dir}/${model}.${stream ? "stream" : "json"}`);
    response.writeHead(200, { "content-type": type, "request-id": "req_1" });
    for (let at = 0; at < bytes.length; at += 61) {
        response.write(bytes.subarray(at, at + 61));
        await new Promise(setImmediate);
    }
    response.end();
});

async function same(client, model) {
    const messages = [{ role: "user", content: "hello" }], ask = { model, max_tokens: 9, messages };
    const told = { text: "", thinking: "", json: "", blocks: 0 };
    const whole = await client.messages.create(ask);
    const stream = client.messages.stream(ask)
        .on("text", (piece) => (told.text += piece))
        .on("thinking", (piece) => (told.thinking += piece))
        .on("inputJson", (piece) => (told.json += piece))
        .on("contentBlock", () => told.blocks++);
    const final = JSON.parse(JSON.stringify(await stream.finalMessage()));
    delete final.parsed_output; // the client's own
    assert.deepStrictEqual(final, JSON.parse(JSON.stringify(whole)));
    const all = (type, f) => whole.content.filter((b) => b.type === type).map(f).join("");
    assert.strictEqual(told.text, all("text", (b) => b.text));
    assert.strictEqual(told.thinking, all("thinking", (b) => b.thinking));
    assert.strictEqual(told.json, all("tool_use", (b) => JSON.stringify(b.input)));
    assert.strictEqual(told.blocks, whole.content.length);
    if (model === "tools") assert.deepStrictEqual(whole.content[2].input, { k: [1, "\n"] });
    if (model === "stopped") assert.strictEqual(final.stop_sequence, '"END"');
}

async function broken(client) {
    const messages = [{ role: "user", content: "hello" }];
    const stream = client.messages.stream({ model: "broken", max_tokens: 9, messages });
    await assert.rejects(stream.finalMessage(), (e) =>
        e instanceof Anthropic.APIError && e.error.error.type === "overloaded_error" &&
        e.error.error.message === "too much");
}

server.listen(0, "127.0.0.1", async () => {
    const baseURL = `http://127.0.0.1:${server.address().port}`;
    const client = new Anthropic({ apiKey: "none", authToken: null, baseURL, maxRetries: 0 });
    const tests = [...names.map((n) => [n, () => same(client, n)]), ["error", () => broken(client)]];
    let n = 0;
    console.log(`1..${tests.length}`);
    for (const [name, test] of tests)
        await test().then(() => console.log(`ok ${++n} - ${name}`),
            (e) => console.log(`not ok ${++n} - ${name}\n# ${String(e.stack).replace(/\n/g, "\n# ")}`));
    process.exit(0);
});
