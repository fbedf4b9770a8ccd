// logits.mjs - one model file in llama.cpp (through node-llama-cpp), beside what chalcis computed
//
//   node logits.mjs MODEL.gguf WORK CONTEXT GREEDY
//
// WORK holds what logits.sh made with chalcis: ids.json, prompt.json, ours.f32 (logits (rows, V), at
// least one a token of ids.json, as many as rows.json says), greedy.txt and, perhaps, ref.f32 of
// tests/reference.  The peer keeps keys and values as floats and fuses nothing, so that for weights
// in f32 the two differ by rounding alone.  Prints a line of the table that logits.sh heads and,
// where the greedy texts part, both and how sure the peer was there.
import fs from "node:fs";
import path from "node:path";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const [model_path, work, context_text, greedy_text] = process.argv.slice(2);
const size = Number(context_text), greedy_count = Number(greedy_text);
const find = createRequire(path.join(process.env.PEERS, "package.json"));
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(find.resolve("node-llama-cpp")));

const read = (name) => fs.readFileSync(path.join(work, name));
const ids = JSON.parse(read("ids.json")), prompt = JSON.parse(read("prompt.json"));

const llama = await getLlama({build: "never", gpu: false, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: model_path, gpuLayers: 0, useMmap: true});
const context = await model.createContext({
    contextSize: size, batchSize: size, flashAttention: false, threads: 1, swaFullCache: true,
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"
});
const sequence = context.getSequence();
const wanted = {generateNext: {logits: true, options: {temperature: 0}}};

function row_of(output, vocab) {
    const row = new Float32Array(vocab);
    for (const [token, logit] of output.next.logits)
        row[token] = logit;
    return row;
}

// Natural logarithms of the softmax of a row, in double.
function log_softmax(row) {
    let most = -Infinity, sum = 0;
    for (const z of row)
        most = Math.max(most, z);
    for (const z of row)
        sum += Math.exp(z - most);
    return Float64Array.from(row, (z) => z - most - Math.log(sum));
}

const best_of = (row) => row.reduce((best, z, i) => (z > row[best] ? i : best), 0);

function floats(name) {
    const bytes = read(name);
    return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
}

// |a - b| / |b| over all logits.
function apart(a, b) {
    let difference = 0, size = 0;
    for (let i = 0; i < T * V; i++) {
        difference += (a[i] - b[i]) ** 2;
        size += b[i] ** 2;
    }
    return Math.sqrt(difference / size).toExponential(1);
}

const ours = floats("ours.f32"), T = ids.length, V = ours.length / JSON.parse(read("rows.json"));
const outputs = await sequence.controlledEvaluate(ids.map((id) => [id, wanted]));
const peer = new Float32Array(T * V);
let most = 0, sum = 0, kl = 0, same = 0;
for (let t = 0; t < T; t++) {
    const theirs = row_of(outputs[t], V);
    peer.set(theirs, t * V);
    const mine = ours.subarray(t * V, (t + 1) * V);
    const p = log_softmax(theirs), q = log_softmax(mine);
    for (let i = 0; i < V; i++) {
        const d = Math.abs(p[i] - q[i]);
        most = Math.max(most, d);
        sum += d;
        kl += Math.exp(p[i]) * (p[i] - q[i]);
    }
    same += best_of(theirs) === best_of(mine) ? 1 : 0;
}
const right = fs.existsSync(path.join(work, "ref.f32")) ? floats("ref.f32") : null;
const cells = [path.basename(model_path, ".gguf"), most.toExponential(1),
    (sum / T / V).toExponential(1), Math.max(kl / T, 0).toExponential(1), `${same} of ${T}`,
    apart(ours, peer), right ? apart(ours, right) : "-", right ? apart(peer, right) : "-"];

// Greedy text, a token at a time.
await sequence.clearHistory();
let text = "", margins = [];
let output = (await sequence.controlledEvaluate(
    prompt.map((id, i) => (i + 1 < prompt.length ? id : [id, wanted])))).at(-1);
for (let n = 0; n < greedy_count; n++) {
    const row = row_of(output, V), id = best_of(row);
    const second = row.reduce((best, z, i) => (i !== id && z > best ? z : best), -Infinity);
    margins.push({at: text.length, margin: row[id] - second});
    text += model.detokenize([id], false, n > 0 ? [...prompt] : prompt);
    output = (await sequence.controlledEvaluate([[id, wanted]])).at(-1);
}
// An unknown token has no text there, and U+FFFD here.
const mine = read("greedy.txt").toString("utf8").replaceAll("\ufffd", "");
let at = 0;
while (at < text.length && at < mine.length && text[at] === mine[at])
    at++;
const parted = at < text.length && at < mine.length;
console.log(`| ${cells.join(" | ")} | ${parted ? `parts at character ${at}` : "same"} |`);
if (parted) {
    const m = margins.filter((x) => x.at <= at).at(-1).margin, from = Math.max(0, at - 40);
    console.log(`  the peer's best token leads by ${m.toExponential(1)} where the greedy texts part` +
        `\n    chalcis ${JSON.stringify(mine.slice(from, at + 20))}` +
        `\n    peer    ${JSON.stringify(text.slice(from, at + 20))}`);
}
await context.dispose();
await model.dispose();
await llama.dispose();
