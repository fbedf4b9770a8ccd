// mock.mjs - a server that speaks the page's side of the protocol and answers by rote:
//   node mock.mjs PAGE.html [PORT, 0 picks one] [KEY]
// Prints the address it is at.  What the last user message says chooses the answer (ANSWERS); GET
// /asked gives the requests so far.  SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const [page, port = "0", key = ""] = process.argv.slice(2);
const asked = [];
const load = {
    active: 0,
    waiting: 0,
    cache_tokens: 16384,
    cache_used: 4100,
    cache_findable: 9000,
    prompt_tokens: 5200,
    shared_tokens: 3100,
    drawn_tokens: 1200,
    drafted: 400,
    accepted: 260,
    steps: 940,
    busy_s: 12.5,
};

const FOX = `A **fox** had built a small *clock* of copper, and it was never late.

1. It woke the mill at dawn.
2. It rang when [the river](https://example.org/river) rose.

| hour | bell |
|-----:|------|
| 6 | one |
| 18 | two |

\`\`\`c
for (int hour = 0; hour < 24; hour++)
    ring(hour % 12);
\`\`\`

> Nobody asked who wound it.`;
const ATTACK = `<script>window.hurt = 1</script>

<img src=x onerror="window.hurt = 2"> and [a link](javascript:window.hurt=3), [data](data:text/html,x)

![far](https://elsewhere.example/spy.png) <svg onload="window.hurt=4"></svg> <style>body{display:none}</style>

\`\`\`"><script>window.hurt=5</script>
code
\`\`\`

<a href="jav&#x09;ascript:window.hurt=6" id="messages" style="color:red">clobber</a>`;
const ANSWERS = {
    fox: { said: FOX },
    slowly: { said: FOX, slow: 25 },
    attack: { said: ATTACK },
    long: { said: "tick tock ".repeat(600), slow: 20 },
    think: { thought: "The user greets me. I greet back.", said: "Hello! \u{1f98a}" },
    deep: { said: ">".repeat(20000) },
    broken: { said: "Half an answer", broken: true },
    lost: { said: "Gone ", lost: true },
};

const readBody = async request => {
    let text = "";
    for await (const part of request) text += part;
    return JSON.parse(text);
};
const json = (reply, status, value, headers = {}) => {
    reply.writeHead(status, { "Content-Type": "application/json", ...headers });
    reply.end(JSON.stringify(value));
};
const error = (message, type = "invalid_request_error") => ({
    error: { message, type, param: null, code: null },
});
const wait = ms => new Promise(done => setTimeout(done, ms));

// Words with their blank before; a fox of four bytes comes in two tokens.
function tokensOf(text) {
    return (text.match(/\n+|\s?[^\s]+|\s+/g) ?? []).flatMap(word => {
        const bytes = [...Buffer.from(word)];
        return bytes.includes(0xf0) ? [bytes.slice(0, -2), bytes.slice(-2)] : [bytes];
    });
}

// The log-probs of what is said, the costs of thoughts too.
function chunk(bytes, i, thought, text) {
    const p = [0.98, 0.61, 0.9995, 0.22, 0.87, 0.04][i % 6],
        token = Buffer.from(bytes).toString();
    const top = [
        [token, p, bytes],
        [" hen", (1 - p) * 0.6, [...Buffer.from(" hen")]],
        ["\n", (1 - p) * 0.2, [10]],
    ];
    const entry = ([name, chance, its]) => ({ token: name, logprob: Math.log(chance), bytes: its });
    const cost = {
        token,
        id: i,
        probability: p,
        drafted: i % 4 === 1,
        iterations: 1 + (i % 5),
        reasoning: thought,
        top: top.map(([name, probability]) => ({ token: name, id: 1, probability })),
    };
    return {
        object: "chat.completion.chunk",
        choices: [
            {
                index: 0,
                delta: thought ? { reasoning_content: text, reasoning: text } : { content: text },
                logprobs: thought
                    ? null
                    : { content: [{ ...entry(top[0]), top_logprobs: top.map(entry) }] },
                finish_reason: null,
                chalcis: { tokens: [cost] },
            },
        ],
    };
}

async function answer(reply, body, count) {
    const last = body.messages[body.messages.length - 1].content;
    const todo = ANSWERS[last.split(" ")[0]] ?? { said: `You said: ${last} (answer ${count})` };
    const send = value => reply.write(`data: ${JSON.stringify(value)}\n\n`);
    reply.writeHead(200, { "Content-Type": "text/event-stream" });
    reply.write(": keep-alive\n\n");
    load.active++;
    reply.on("close", () => load.active--);
    send({
        choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }],
    });
    let i = 0;
    for (const [text, thought] of [
        [todo.thought ?? "", true],
        [todo.said, false],
    ]) {
        const decoder = new TextDecoder();
        for (const bytes of tokensOf(text)) {
            if (reply.destroyed) return;
            send(
                chunk(bytes, i++, thought, decoder.decode(new Uint8Array(bytes), { stream: true })),
            );
            load.drawn_tokens++;
            await wait(todo.slow ?? 4);
        }
    }
    if (todo.broken) send(error("The model has run out of pages.", "server_error"));
    if (todo.broken || todo.lost) return todo.lost ? reply.destroy() : reply.end();
    send({
        choices: [
            {
                index: 0,
                delta: {},
                finish_reason: i >= (body.max_tokens ?? 1e9) ? "length" : "stop",
            },
        ],
    });
    send({
        choices: [],
        usage: {
            prompt_tokens: 120,
            completion_tokens: i,
            total_tokens: 120 + i,
            prompt_tokens_details: { cached_tokens: 96 },
        },
        chalcis: { wait_ms: 1 },
    });
    reply.end("data: [DONE]\n\n");
}

const routes = {
    "GET /": (_, reply) => {
        reply.writeHead(200, {
            "Content-Type": "text/html; charset=utf-8",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "frame-ancestors 'none'",
        });
        reply.end(readFileSync(page));
    },
    "GET /asked": (_, reply) => json(reply, 200, asked),
    "GET /load": (_, reply) => json(reply, 200, load),
    "GET /v1/models": (_, reply) =>
        json(reply, 200, { object: "list", data: [{ id: "chalcis-5.8m" }, { id: "other" }] }),
    "POST /v1/chat/completions": async (request, reply) => {
        const body = await readBody(request),
            last = body.messages[body.messages.length - 1].content;
        asked.push(body);
        if (last.startsWith("busy"))
            json(reply, 503, error("All places are taken."), { "Retry-After": "3" });
        else await answer(reply, body, asked.length);
    },
};

const server = createServer(async (request, reply) => {
    const name = `${request.method} ${request.url.split("?")[0]}`;
    const open = name === "GET /" || name === "GET /asked";
    if (!routes[name]) json(reply, 404, error(`There is no ${request.url}.`));
    else if (key && !open && request.headers.authorization !== `Bearer ${key}`)
        json(reply, 401, error("The key is missing or wrong.", "authentication_error"));
    else await routes[name](request, reply);
});
server.listen(Number(port), "127.0.0.1", () =>
    console.log(`http://127.0.0.1:${server.address().port}/`),
);
