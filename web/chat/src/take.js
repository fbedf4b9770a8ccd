// take.js - chunks of an answer as they come are added to its message.
//   token: {t: text, p: probability, a: [[text, p], ...], d: drafted, n: steps taken, r: of a thought}
// SPDX-License-Identifier: MIT

// Tokens may end within a character: each shows the characters that it completes.
function textOf(decoder, entry) {
    return Array.isArray(entry.bytes) ? decoder.decode(new Uint8Array(entry.bytes), { stream: true })
                                      : entry.token;
}
const probability = logprob => Number(Math.exp(logprob).toPrecision(4));

function takeTokens(message, decoder, choice, costs, thought) {
    const said = choice?.logprobs?.content ?? [];
    said.forEach((entry, i) => {
        const cost = costs[i] ?? {};
        const token = { t: textOf(decoder, entry), p: probability(entry.logprob) };
        if (entry.top_logprobs?.length)
            token.a = entry.top_logprobs.map(a => [a.token, probability(a.logprob)]);
        if (cost.drafted !== undefined) token.d = cost.drafted;
        if (cost.iterations !== undefined) token.n = cost.iterations;
        if (thought) token.r = true;
        (message.tokens ??= []).push(token);
    });
}

function takeCalls(message, calls) {
    for (const call of calls ?? []) {
        const at = (message.calls ??= [])[call.index ?? 0] ??= { name: "", arguments: "" };
        at.name += call.function?.name ?? "";
        at.arguments += call.function?.arguments ?? "";
    }
}

// Returns a function that takes a chunk.
export function taker(message, now = () => performance.now()) {
    const decoder = new TextDecoder(), began = now();
    let first = 0;
    message.stats = {};
    return chunk => {
        const choice = chunk.choices?.[0], delta = choice?.delta ?? {};
        const thought = delta.reasoning_content ?? delta.reasoning ?? "";
        if (!first && (delta.content || thought)) first = now();
        message.content += delta.content ?? "";
        if (thought) message.reasoning = (message.reasoning ?? "") + thought;
        takeCalls(message, delta.tool_calls);
        takeTokens(message, decoder, choice, chunk.chalcis?.cost ?? [], thought && !delta.content);
        if (choice?.finish_reason) message.stats.finish = choice.finish_reason;
        const usage = chunk.usage;
        if (!usage) return;
        message.stats = {
            ...message.stats, prompt: usage.prompt_tokens, drawn: usage.completion_tokens,
            cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
            first_s: (first - began) / 1000, all_s: (now() - began) / 1000,
        };
    };
}
