// bench.mjs - one model file in llama.cpp (through node-llama-cpp): tokens a second
//
//   node bench.mjs MODEL.gguf PROMPT GENERATED THREADS
//
// Prints two numbers: of a prompt of so many tokens, and of so many tokens generated after a single
// one, greedily.  Both once before, uncounted.  The peer's own greedy choice is in the second, and
// what it takes to come through node; llama-bench has neither.
import path from "node:path";
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const [model_path, ...numbers] = process.argv.slice(2);
const [prompt, generated, threads] = numbers.map(Number);
const find = createRequire(path.join(process.env.PEERS, "package.json"));
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(find.resolve("node-llama-cpp")));

const llama = await getLlama({
    build: "never", gpu: false, logLevel: LlamaLogLevel.error, maxThreads: threads
});
const model = await llama.loadModel({modelPath: model_path, gpuLayers: 0, useMmap: true});
const context = await model.createContext({
    contextSize: Math.max(prompt, generated) + 8, batchSize: Math.max(prompt, 8), threads
});
const sequence = context.getSequence();

// Ids below 200 are bytes: none of them ends a text.
const tokens = (n) => Array.from({length: n}, (_, i) => (i * 37 + 11) % 200);

async function read(n) {
    await sequence.clearHistory();
    const began = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(tokens(n));
    return n / (performance.now() - began) * 1e3;
}

async function write(n) {
    await sequence.clearHistory();
    let began = performance.now(), made = 0;
    const text = sequence.evaluate(tokens(1), {temperature: 0, yieldEogToken: true});
    for await (const _ of text)
        if (++made === n)
            break;
    return made / (performance.now() - began) * 1e3;
}

await read(prompt);
await write(Math.min(generated, 8));
console.log((await read(prompt)).toFixed(3), (await write(generated)).toFixed(3));
await context.dispose();
await model.dispose();
await llama.dispose();
