// take.js - chunks of an answer as they come are added to its message (docs/serve.md).
//   token: {t: text, p: probability, a: [[text, p], ...], d: drafted, n: steps, r: of a thought}
// p is missing where the token was not drawn, n where the model takes no steps of its own.
// SPDX-License-Identifier: MIT

const short = p => Number(p.toPrecision(4));

// What a server says that knows log-probs and no costs.
const likely = entry => ({ token: entry.token, probability: Math.exp(entry.logprob) });
const uncosted = entry => ({ ...likely(entry), top: (entry.top_logprobs ?? []).map(likely) });

// Tokens may end within a character: by the bytes of its log-prob each shows the characters that it
// completes.  Thoughts have no log-probs, nor has what was not drawn.
function takeTokens(message, decoder, choice) {
    const bytes = (choice?.logprobs?.content ?? []).map(entry => entry.bytes);
    for (const told of choice?.chalcis?.tokens ?? (choice?.logprobs?.content ?? []).map(uncosted)) {
        const drawn = typeof told.probability === "number";
        const own = drawn && !told.reasoning ? bytes.shift() : null;
        const token = {
            t: own ? decoder.decode(new Uint8Array(own), { stream: true }) : told.token,
        };
        if (drawn) token.p = short(told.probability);
        if (told.top?.length) token.a = told.top.map(a => [a.token, short(a.probability)]);
        if (typeof told.drafted === "boolean") token.d = told.drafted;
        if (told.iterations > 0) token.n = told.iterations;
        if (told.reasoning) token.r = true;
        (message.tokens ??= []).push(token);
    }
}

function takeCalls(message, calls) {
    for (const call of calls ?? []) {
        const at = ((message.calls ??= [])[call.index ?? 0] ??= { name: "", arguments: "" });
        at.name += call.function?.name ?? "";
        at.arguments += call.function?.arguments ?? "";
    }
}

// Returns a function that takes a chunk.
export function taker(message, now = () => performance.now()) {
    const decoder = new TextDecoder(),
        began = now();
    let first = 0;
    message.stats = {};
    return chunk => {
        const choice = chunk.choices?.[0],
            delta = choice?.delta ?? {};
        const thought = delta.reasoning_content ?? delta.reasoning ?? "";
        if (!first && (delta.content || thought)) first = now();
        message.content += delta.content ?? "";
        if (thought) message.reasoning = (message.reasoning ?? "") + thought;
        takeCalls(message, delta.tool_calls);
        takeTokens(message, decoder, choice);
        if (choice?.finish_reason) message.stats.finish = choice.finish_reason;
        const usage = chunk.usage;
        if (!usage) return;
        message.stats = {
            ...message.stats,
            prompt: usage.prompt_tokens,
            drawn: usage.completion_tokens,
            cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
            first_s: (first - began) / 1000,
            all_s: (now() - began) / 1000,
        };
    };
}
