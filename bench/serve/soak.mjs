// soak.mjs - mixed load on a server for minutes: nothing good is refused, nothing bad is the server's fault, the same
// request with the same seed has the same answer every time, and neither memory nor descriptors grow.
//
//   node bench/serve/soak.mjs CHALCIS [--minutes 10] [--clients 24] [--grow 5] [-- OPTIONS of serve...]
//
// It starts the server and ends it.  Each client asks for one thing after another, drawn from the kinds below: short
// and long, whole and streamed, both APIs, tools, schemas, embeddings, several answers, who leaves early or reads
// slowly, and what is malformed.  Memory (VmRSS) and descriptors are looked at every few seconds; the first minute
// (of short runs the first fifth) warms up.  Exit code 1: a good request got anything but 200 or did not come to its
// end, a bad one anything but 4xx, an answer was not what it had been, memory in the last third is more than --grow
// percent above the first third, descriptors or cache pages are left over, or the server did not end in order.
// SPDX-License-Identifier: MIT
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';

const args = process.argv.slice(2), dashes = args.indexOf('--');
const more = dashes < 0 ? [] : args.splice(dashes).slice(1);
function option(name, or) {
    const at = args.indexOf('--' + name);
    return at < 0 ? or : Number(args.splice(at, 2)[1]);
}
const minutes = option('minutes', 10), clients = option('clients', 24), grow = option('grow', 5);
const [program] = args;
if (!program || args.length !== 1) {
    console.error('usage: node soak.mjs CHALCIS [--minutes N] [--clients N] [--grow PERCENT] [-- OPTIONS...]');
    process.exit(2);
}

let state = 1; // xorshift (Marsaglia 2003)
const below = n => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
};
const words = 'the old man said that a cat had seen her house by the sea where we go when it is cold'.split(' ');
const text = n => Array.from({ length: n }, () => words[below(words.length)]).join(' ');
const wrong = []; // sentences
const fault = what => wrong.length < 100 && wrong.push(what);

// ---- The server ----------------------------------------------------------------------------------------------------

const server = spawn(program, ['serve', '--port', '0', '--quiet', '-c', '1024', '--cache', '6144', ...more],
                     { stdio: ['ignore', 'ignore', 'pipe'] });
const ended = new Promise(done => server.on('exit', (code, signal) => done(signal ?? code)));
let said = '';
const port = await new Promise((done, failed) => {
    server.stderr.on('data', piece => {
        said += piece;
        const found = /http:\/\/127\.0\.0\.1:(\d+)\//.exec(said);
        if (found) done(Number(found[1]));
    });
    ended.then(code => failed(new Error(`the server ended with ${code}: ${said}`)));
});
const url = `http://127.0.0.1:${port}`;
const rss = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${server.pid}/status`))?.[1] ?? 0) / 1024;
const fds = () => fs.readdirSync(`/proc/${server.pid}/fd`).length;

// ---- What is asked -------------------------------------------------------------------------------------------------

async function post(path, body, { signal, raw } = {}) {
    const reply = await fetch(url + path, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: raw ?? JSON.stringify(body),
        signal: signal ?? AbortSignal.timeout(300000) });
    return { status: reply.status, reply };
}
// The status; of a good request's reply also what `check` finds wrong with it.
async function good(path, body, check) {
    const { status, reply } = await post(path, body), said = await reply.text();
    const why = status !== 200 ? said : check(body.stream ? said : JSON.parse(said));
    if (why) fault(`${path} ${JSON.stringify(body).slice(0, 300)}: ${status} ${String(why).slice(0, 300)}`);
    return status;
}
async function bad(path, body, raw) {
    const { status, reply } = await post(path, body, { raw });
    const said = await reply.text();
    if (status < 400 || status > 499) fault(`${path} ${raw ?? JSON.stringify(body)}: ${status} ${said.slice(0, 300)}`);
    return status;
}
async function leave(path, body, after_ms) {
    const control = new AbortController();
    const timer = setTimeout(() => control.abort(), after_ms);
    try {
        const { reply } = await post(path, body, { signal: control.signal });
        for await (const _ of reply.body) continue;
    } catch (e) {
        if (!control.signal.aborted) throw e;
    } finally {
        clearTimeout(timer);
    }
    return 'left';
}

const seen = new Map(); // what was answered to a request before
function again(body, answer) {
    const key = JSON.stringify(body), told = JSON.stringify(answer), before = seen.get(key);
    if (before === undefined) seen.set(key, told);
    return before === undefined || before === told ? '' : `was ${before}, is ${told}`;
}
const user = content => [{ role: 'user', content }];
const choices = body => v => v.choices?.length === (body.n ?? 1) ? again(body, v.choices.map(c => c.message ?? c.text))
                                                                 : 'the choices are not all there';
const ends = mark => said => said.includes(mark) && !said.includes('"error"') ? '' : `no ${mark}: ${said.slice(-300)}`;
const schema = { type: 'object', required: ['city', 'days'], additionalProperties: false,
                 properties: { city: { type: 'string', maxLength: 12 }, days: { type: 'integer', minimum: 1, maximum: 9 } } };
const obeys = said => {
    const v = JSON.parse(said);
    return typeof v.city === 'string' && v.days >= 1 && v.days <= 9 ? '' : `disobeys: ${said}`;
};
const rules = `Rules of ${text(20)}. `.repeat(8);

const bad_bodies = [['/v1/chat/completions', { messages: 'hello' }], ['/v1/completions', { prompt: [999999] }],
    ['/v1/completions', { prompt: 'a', temperature: 'hot' }], ['/v1/messages', { messages: user('Hi'), max_tokens: 0 }],
    ['/v1/completions', { prompt: 'word '.repeat(5000) }], ['/v1/embeddings', {}], ['/v1/nothing', {}],
    ['/v1/chat/completions', { messages: user('Hi'), tools: [{}] }], ['/v1/completions', null, '{"prompt": ['],
    ['/v1/completions', { prompt: 'a', grammar: 'root ::= (' }], ['/v1/completions', null, '['.repeat(100000)],
    ['/v1/completions', null, '\xff\xfe'], ['/tokenize', { content: 5 }], ['/detokenize', { tokens: [-1] }]];
const noise = ['GET / HTTP/9.9\r\n\r\n', 'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{"pro',
    '\0\0\0\0', 'POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'];

const kinds = {
    async chat() {
        const body = { messages: user('Tell me a story about a cat.'), max_tokens: 24, seed: below(12) };
        return good('/v1/chat/completions', body, choices(body));
    },
    async 'long'() {
        const body = { prompt: text(200 + below(300)), max_tokens: 100, ignore_eos: true };
        return good('/v1/completions', body, v => v.usage.completion_tokens === 100 ? '' : 'too short');
    },
    async 'same beginning'() {
        const body = { messages: [{ role: 'system', content: rules }, ...user(`Story ${below(9)}, please.`)],
                       max_tokens: 30, seed: below(2) };
        return good('/v1/chat/completions', body, choices(body));
    },
    stream: () => good('/v1/chat/completions', { messages: user(text(20)), max_tokens: 60, stream: true,
        stream_options: { include_usage: true } }, ends('data: [DONE]')),
    async messages() {
        const body = { model: 'm', messages: user('Tell me of ' + words[below(9)]), max_tokens: 30, seed: below(4) };
        return good('/v1/messages', body, v => again(body, v.content));
    },
    'messages, streamed': () => good('/v1/messages', { model: 'm', messages: user(text(9)), max_tokens: 50, stream: true },
        ends('event: message_stop')),
    'several answers': () => {
        const body = { prompt: ['Once', 'The sea'][below(2)], n: 4, max_tokens: 30, seed: below(4), logprobs: 2 };
        return good('/v1/completions', body, choices(body));
    },
    tools: () => good('/v1/chat/completions', { messages: user('The weather?'), max_tokens: 200, tool_choice: 'required',
        tools: [{ type: 'function', function: { name: 'weather', parameters: schema } }] },
        v => obeys(v.choices[0].message.tool_calls[0].function.arguments)),
    schema: () => good('/v1/chat/completions', { messages: user('Where?'), max_tokens: 200, response_format:
        { type: 'json_schema', json_schema: { name: 'place', schema } } }, v => obeys(v.choices[0].message.content)),
    'log-likelihood': () => {
        const body = { prompt: text(9), max_tokens: 1, logprobs: 1, echo: true, temperature: 0 };
        return good('/v1/completions', body, choices(body));
    },
    embeddings: () => good('/v1/embeddings', { input: [text(5), text(50)] }, v => v.data.length === 2 ? '' : 'not two'),
    'count, tokenize': async () => {
        await good('/tokenize', { content: text(50) }, v => v.count > 0 ? '' : 'no tokens');
        return good('/v1/messages/count_tokens', { model: 'm', messages: user(text(30)) }, v => v.input_tokens > 0 ? '' : 'none');
    },
    'leaves a stream': () => leave('/v1/chat/completions', { messages: user(text(9)), max_tokens: 900, ignore_eos: true,
        n: 1 + below(4), stream: true }, below(1500)),
    'leaves before': () => leave('/v1/completions', { prompt: text(400), max_tokens: 300 }, below(300)),
    'reads slowly': () => new Promise(done => {
        const body = JSON.stringify({ prompt: 'Once', max_tokens: 300, ignore_eos: true, stream: true, logprobs: 20 });
        const socket = net.connect(port, '127.0.0.1', () => socket.write('POST /v1/completions HTTP/1.1\r\nHost: localhost' +
            `\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`));
        let status = 0, tail = '';
        socket.on('data', piece => {
            status ||= Number(String(piece.subarray(9, 12)));
            tail = (tail + piece).slice(-100);
            socket.pause();
            setTimeout(() => socket.resume(), 20);
        });
        socket.on('error', e => fault(`a slow reader: ${e.message}`));
        socket.on('close', () => {
            if (status !== 200 || !tail.includes('[DONE]')) fault(`a slow reader: ${status} ${tail}`);
            done(status);
        });
    }),
    malformed: () => bad(...bad_bodies[below(bad_bodies.length)]),
    noise: () => new Promise(done => {
        const socket = net.connect(port, '127.0.0.1', () => socket.write(noise[below(noise.length)]));
        const close = () => (socket.destroy(), done('noise'));
        socket.on('data', close).on('error', close).on('close', close);
        setTimeout(close, below(500));
    }),
};

// ---- The load ------------------------------------------------------------------------------------------------------

const total_ms = minutes * 60000, warm_ms = Math.min(60000, total_ms / 5), names = Object.keys(kinds);
const told = new Map(names.map(name => [name, { statuses: {}, ms: [] }]));
const fds_before = fds(), t0 = performance.now(), samples = [];
let over = false;

async function client() {
    while (performance.now() - t0 < total_ms && !over) {
        const name = names[below(names.length)], began = performance.now();
        const status = await kinds[name]().catch(e => (over || fault(`${name}: ${e.cause ?? e}`), 'failed'));
        const t = told.get(name);
        t.statuses[status] = (t.statuses[status] ?? 0) + 1;
        t.ms.push(performance.now() - began);
    }
}
async function look() {
    const every = Math.min(5000, total_ms / 60);
    while (performance.now() - t0 < total_ms && !over) {
        samples.push({ ms: performance.now() - t0, rss: rss(), fds: fds() });
        await sleep(every);
    }
}
ended.then(code => {
    if (!over) fault(`the server ended with ${code}: ${said}`);
    over = true;
});
await Promise.all([look(), ...Array.from({ length: clients }, client)]);

// ---- What is left --------------------------------------------------------------------------------------------------

const load = async () => (await fetch(url + '/load', { headers: { connection: 'close' } })).json();
let after, left = Infinity;
for (const until = performance.now() + 60000; !over && performance.now() < until; await sleep(250)) {
    after = await load();
    left = fds();
    if (left <= fds_before + 1 && !after.active && !after.waiting && !after.cache_used) break; // + 1: who asks
}
const at_end = over ? {} : { rss: rss() };
if (!over && left > fds_before + 1) fault(`${left - fds_before} descriptors are left over`);
if (!over && (after.active || after.waiting || after.cache_used)) fault(`left over: ${JSON.stringify(after)}`);
over = true;
server.kill('SIGTERM');
const code = await ended;
if (code !== 0) fault(`the server ended with ${code}, when it was told to`);

const median = list => list.toSorted((a, b) => a - b)[list.length >> 1] ?? 0;
const quantile = (list, q) => list.toSorted((a, b) => a - b)[Math.min(list.length - 1, Math.floor(q * list.length))] ?? 0;
const warm = samples.filter(s => s.ms >= warm_ms), third = Math.ceil(warm.length / 3);
const first = median(warm.slice(0, third).map(s => s.rss)), last = median(warm.slice(-third).map(s => s.rss));
if (last > first * (1 + grow / 100))
    fault(`memory grew from ${first.toFixed(1)} to ${last.toFixed(1)} MiB; allowed are ${grow} %`);

console.log('| requests | statuses | ms p50 | p99 |\n|---|---|---|---|');
for (const [name, t] of told)
    console.log(`| ${name} | ${Object.entries(t.statuses).map(([s, k]) => `${s}: ${k}`).join(', ')} | ` +
                `${quantile(t.ms, 0.5).toFixed(0)} | ${quantile(t.ms, 0.99).toFixed(0)} |`);
const now = samples.at(-1) ?? {}, early = samples.find(s => s.ms >= warm_ms) ?? {};
console.log(`\n| | begin | after ${(warm_ms / 1000).toFixed(0)} s | first third | last third | most | end | idle |
|---|---|---|---|---|---|---|---|
| RSS, MiB | ${samples[0]?.rss.toFixed(1)} | ${early.rss?.toFixed(1)} | ${first.toFixed(1)} | ${last.toFixed(1)} | ` +
`${Math.max(...samples.map(s => s.rss)).toFixed(1)} | ${now.rss?.toFixed(1)} | ${at_end.rss?.toFixed(1)} |
| descriptors | ${fds_before} | ${early.fds} | | | ${Math.max(...samples.map(s => s.fds))} | ${now.fds} | ${left - 1} |\n`);
for (const sentence of wrong) console.log(`WRONG: ${sentence}`);
process.exit(wrong.length ? 1 : 0);
