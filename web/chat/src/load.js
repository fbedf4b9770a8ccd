// load.js - the strip that says how busy the server is: /load every two seconds while the page is
// seen.
// SPDX-License-Identifier: MIT
import { $, fact, percent, whole } from "./dom.js";
import * as server from "./server.js";

const EVERY_MS = 2000;
let before = null,
    beforeAt = 0,
    timer = 0;

const share = (part, all) => (all > 0 ? percent(part / all) : "–");

function show(now, speed) {
    const held = now.cache_tokens ? now.cache_used / now.cache_tokens : 0;
    const waiting = now.waiting ? `, ${now.waiting} waiting` : "";
    $("load").className = now.active ? "busy" : "idle";
    $("load-text").textContent = now.active
        ? `${now.active} answering${waiting} · ${speed.toFixed(0)} tokens/s`
        : "idle";
    $("load-bar").style.setProperty("--p", held);
    $("load-all").replaceChildren(
        fact("Answers under way", whole(now.active)),
        fact("Waiting", whole(now.waiting)),
        fact("Tokens a second", speed.toFixed(1)),
        fact("Cache in use", `${whole(now.cache_used)} of ${whole(now.cache_tokens)}`),
        fact("Cache findable", whole(now.cache_findable)),
        fact(
            "Prompts from the cache",
            share(now.shared_tokens, now.shared_tokens + now.prompt_tokens),
        ),
        fact("Drafts accepted", share(now.accepted, now.drafted)),
        fact("Tokens drawn", whole(now.drawn_tokens)),
        fact("Tokens a step", now.steps ? (now.drawn_tokens / now.steps).toFixed(2) : "–"),
    );
}

async function poll() {
    clearTimeout(timer);
    if (document.visibilityState !== "visible") {
        before = null;
        return;
    }
    try {
        const now = await server.load(),
            at = performance.now();
        const seconds = (at - beforeAt) / 1000;
        show(
            now,
            before && seconds > 0
                ? Math.max(0, now.drawn_tokens - before.drawn_tokens) / seconds
                : 0,
        );
        before = now;
        beforeAt = at;
    } catch (e) {
        before = null;
        $("load").className = "away";
        $("load-text").textContent =
            e.status === 401 ? "needs a key" : e.status ? "no figures" : "out of reach";
        $("load-all").replaceChildren();
        if (e.status === 404) {
            // another server's
            $("load").hidden = true;
            return;
        }
    }
    timer = setTimeout(poll, EVERY_MS);
}

export function startLoad() {
    document.addEventListener("visibilitychange", poll);
    poll();
}
