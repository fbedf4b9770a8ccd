// server.js - what the page asks the server, and nobody else.
// SPDX-License-Identifier: MIT
import { EventSourceParserStream } from "eventsource-parser/stream";
import { forTab } from "./kept.js";

// A key lives as long as the tab.  `askKey` gives a new one, or "" if there is none to be had.
let askKey = async () => "";
export const onKey = f => {
    askKey = f;
};

export class Refused extends Error {
    constructor(status, message, retry) {
        super(message);
        this.status = status;
        this.retry = retry;
    }
}

async function refusal(reply) {
    let said = "";
    try {
        said = (await reply.json()).error.message;
    } catch {
        /* not in the shape of an error */
    }
    return new Refused(
        reply.status,
        said || `The server answered with status ${reply.status}.`,
        reply.headers.get("retry-after"),
    );
}

async function ask(where, { asks = true, ...options } = {}) {
    for (;;) {
        const key = forTab.get("key"),
            headers = { ...options.headers };
        if (key) headers.Authorization = `Bearer ${key}`;
        let reply;
        try {
            reply = await fetch(where, {
                ...options,
                headers,
                cache: "no-store",
                credentials: "omit",
            });
        } catch (e) {
            if (e.name === "AbortError") throw e;
            throw new Refused(0, "The server cannot be reached.");
        }
        if (reply.ok) return reply;
        const why = await refusal(reply);
        if (reply.status !== 401 || !asks) throw why;
        const given = await askKey(why.message);
        if (!given) throw why;
        forTab.set("key", given);
    }
}

export const load = async () => (await ask("load", { asks: false })).json();
export const models = async () => (await (await ask("v1/models")).json()).data.map(m => m.id);

// An answer's chunks, until [DONE].
export async function* chat(body, signal) {
    const reply = await ask("v1/chat/completions", {
        method: "POST",
        signal,
        body: JSON.stringify(body),
        headers: { "Content-Type": "application/json" },
    });
    const events = reply.body
        .pipeThrough(new TextDecoderStream())
        .pipeThrough(new EventSourceParserStream())
        .getReader();
    try {
        for (;;) {
            let next;
            try {
                next = await events.read();
            } catch (e) {
                if (e.name === "AbortError") throw e;
                throw new Refused(0, "The connection was lost in mid-answer.");
            }
            if (next.done) throw new Refused(0, "The connection ended before the answer did.");
            if (next.value.data === "[DONE]") return;
            const chunk = JSON.parse(next.value.data);
            if (chunk.error) throw new Refused(reply.status, chunk.error.message);
            yield chunk;
        }
    } finally {
        events.cancel().catch(() => {});
    }
}
