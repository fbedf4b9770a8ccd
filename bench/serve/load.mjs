// load.mjs - streams against a server that speaks OpenAI's completions: tokens a second of all
// together, time to the first token, time between tokens.
//
//   node bench/serve/load.mjs URL [STREAMS...] [--in N] [--out N] [--rounds N] [--json]
//
// Every prompt is its own (words drawn from a seed), so that nothing is shared; streams of a round
// begin together.  Tokens are counted by the server (usage), times are seen here.
// SPDX-License-Identifier: MIT
import { performance } from 'node:perf_hooks';

const args = process.argv.slice(2);
function option(name, or) {
    const at = args.indexOf('--' + name);
    return at < 0 ? or : Number(args.splice(at, 2)[1]);
}
const words_in = option('in', 128), tokens_out = option('out', 64), rounds = option('rounds', 3);
const json = args.includes('--json') && args.splice(args.indexOf('--json'), 1);
const [url, ...counts] = args;
if (!url) {
    console.error('usage: node load.mjs URL [STREAMS...] [--in N] [--out N] [--rounds N] [--json]');
    process.exit(2);
}

let seed = 1;
const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
const post = (path, body) => fetch(url + path, {method: 'POST', body: JSON.stringify(body),
                                                headers: {'content-type': 'application/json'}});

// As many token ids as are asked for, below 4000: what they say does not matter.
const prompt = n => Array.from({length: n}, () => 100 + Math.floor(random() * 3900));

async function stream() {
    const t0 = performance.now(), times = [];
    const reply = await post('/v1/completions', {
        prompt: prompt(words_in), max_tokens: tokens_out, stream: true, ignore_eos: true,
        stream_options: {include_usage: true}, temperature: 0.8, seed: Math.floor(random() * 1e6)});
    if (!reply.ok)
        throw new Error(reply.status + ' ' + await reply.text());
    let rest = '', usage;
    for await (const piece of reply.body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + piece).split('\n');
        rest = lines.pop();
        for (const line of lines) {
            if (!line.startsWith('data: {'))
                continue;
            const chunk = JSON.parse(line.slice(6));
            usage = chunk.usage ?? usage;
            if (chunk.choices?.[0]?.text)
                times.push(performance.now());
        }
    }
    return {first: times[0] - t0, gaps: times.slice(1).map((t, i) => t - times[i]),
            tokens: usage.completion_tokens};
}

const quantile = (list, q) => list.sort((a, b) => a - b)[Math.min(list.length - 1,
                                                               Math.floor(q * list.length))];
const rows = [];
for (const n of counts.length ? counts.map(Number) : [1, 4, 8, 16]) {
    const speeds = [], first = [], gaps = [];
    for (let r = 0; r < rounds; r++) {
        const t0 = performance.now();
        const all = await Promise.all(Array.from({length: n}, stream));
        speeds.push(1000 * all.reduce((s, x) => s + x.tokens, 0) / (performance.now() - t0));
        for (const x of all) {
            first.push(x.first);
            gaps.push(...x.gaps);
        }
    }
    rows.push({streams: n, tok_s: quantile(speeds, 0.5), tok_s_least: Math.min(...speeds),
               tok_s_most: Math.max(...speeds), first_ms_p50: quantile(first, 0.5),
               first_ms_most: Math.max(...first), gap_ms_p50: quantile(gaps, 0.5),
               gap_ms_p99: quantile(gaps, 0.99)});
}
if (json)
    console.log(JSON.stringify(rows));
else {
    console.log('| streams | tok/s (least to most) | first token ms p50, most | between ms p50, p99 |');
    console.log('|---|---|---|---|');
    for (const r of rows)
        console.log(`| ${r.streams} | ${r.tok_s.toFixed(1)} (${r.tok_s_least.toFixed(1)} to ` +
                    `${r.tok_s_most.toFixed(1)}) | ${r.first_ms_p50.toFixed(0)}, ` +
                    `${r.first_ms_most.toFixed(0)} | ${r.gap_ms_p50.toFixed(1)}, ` +
                    `${r.gap_ms_p99.toFixed(1)} |`);
}
