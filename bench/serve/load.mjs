// load.mjs - streams against a server that speaks OpenAI's completions: tokens a second of all
// together, time to the first token, time between tokens.
//
//   node bench/serve/load.mjs URL [STREAMS...] [--in N] [--out N] [--rounds N] [--seed N]
//                                 [--warm N] [--json]
//
// Every prompt is its own (words drawn from a seed), so that nothing is shared; streams of a round
// begin together; what is asked in WARM [2] seconds before is not counted (this program is slow at
// first).  Tokens are counted by the server (usage), times are seen here.
// SPDX-License-Identifier: MIT
import http from 'node:http';
import { performance } from 'node:perf_hooks';

const args = process.argv.slice(2);
function option(name, or) {
    const at = args.indexOf('--' + name);
    return at < 0 ? or : Number(args.splice(at, 2)[1]);
}
const words_in = option('in', 128), tokens_out = option('out', 64), rounds = option('rounds', 3);
const warm = option('warm', 2);
let seed = option('seed', 1) * 7919;
const json = args.includes('--json') && args.splice(args.indexOf('--json'), 1);
const [url, ...counts] = args;
if (!url) {
    console.error('usage: node load.mjs URL [STREAMS...] [--in N] [--out N] [--rounds N] [--seed N] ' +
                  '[--warm N] [--json]');
    process.exit(2);
}

const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
// As many token ids as are asked for, below 4000: what they say does not matter.
const prompt = n => Array.from({length: n}, () => 100 + Math.floor(random() * 3900));

// Events are counted, not read: this program shares its processors with the server.
const agent = new http.Agent({keepAlive: true, maxSockets: Infinity});
const event = Buffer.from('data: {');
function stream() {
    const body = JSON.stringify({
        prompt: prompt(words_in), max_tokens: tokens_out, stream: true, ignore_eos: true,
        stream_options: {include_usage: true}, temperature: 0.8, seed: Math.floor(random() * 1e6)});
    const t0 = performance.now(), times = [];
    return new Promise((done, failed) => {
        const take = reply => {
            let rest = Buffer.alloc(0), tail = '';
            reply.on('data', piece => {
                const now = performance.now(), all = rest.length ? Buffer.concat([rest, piece]) : piece;
                let at = -1, begin = 0;
                while ((at = all.indexOf(event, at + 1)) >= 0) {
                    times.push(now);
                    begin = at + 1;
                }
                rest = all.subarray(Math.max(begin, all.length - event.length + 1));
                tail = (tail + piece.toString('latin1')).slice(-1000);
            });
            reply.on('end', () => {
                const usage = /"completion_tokens":(\d+)/.exec(tail);
                if (reply.statusCode !== 200 || !usage)
                    return failed(new Error(reply.statusCode + ' ' + tail));
                times.pop();  // the event that has the usage
                done({first: times[0] - t0, gaps: times.slice(1).map((t, i) => t - times[i]),
                      tokens: Number(usage[1])});
            });
        };
        http.request(url + '/v1/completions', {method: 'POST', agent, headers: {
            'content-type': 'application/json', 'content-length': Buffer.byteLength(body)}}, take)
            .on('error', failed).end(body);
    });
}

const quantile = (list, q) => list.sort((a, b) => a - b)[Math.min(list.length - 1,
                                                               Math.floor(q * list.length))];
const rows = [];
for (const t0 = performance.now(); performance.now() - t0 < 1000 * warm;)
    await Promise.all([stream(), stream()]);
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
