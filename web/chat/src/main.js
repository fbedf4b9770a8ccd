// main.js - the page of chalcis serve: what is open, what is being answered, and who tells whom.
// SPDX-License-Identifier: MIT
import { askKey, startAround } from "./around.js";
import { $, notice, say } from "./dom.js";
import { forTab } from "./kept.js";
import { showList, startList } from "./list.js";
import { startLoad } from "./load.js";
import { messageView } from "./message.js";
import { model, startModels } from "./models.js";
import * as server from "./server.js";
import { lastParams, requested, startSettings } from "./settings.js";
import * as store from "./store.js";
import { taker } from "./take.js";
import * as tree from "./talk.js";
import { hideToken, startTokens } from "./tokens.js";

const SAVE_MS = 2000;
let talk = tree.newTalk(lastParams());
let views = new Map(); // a message's id: its element
const running = new Map(); // a conversation's id: {talk, message, abort}

const mode = () => document.querySelector("input[name=view]:checked").value;
const atEnd = () =>
    $("thread").scrollHeight - $("thread").scrollTop - $("thread").clientHeight < 60;
const fine = matchMedia("(pointer: fine)"); // elsewhere a focused field calls up a keyboard
const toText = () => {
    if (fine.matches) $("text").focus();
};
const toEnd = () => {
    $("thread").scrollTop = $("thread").scrollHeight;
};

// ---- What is seen
// --------------------------------------------------------------------------------
const act = {
    siblings: m => tree.below(talk, m.parent),
    busy: m => running.get(talk.id)?.message === m,
    pick(m, way) {
        // way: the name of the button that was pressed, which keeps the focus
        talk.picked[m.parent] = m.id;
        keep(talk);
        show();
        const buttons = views.get(m.id).element.querySelector(".branches");
        (
            buttons.querySelector(`[aria-label="${way}"]:enabled`) ??
            buttons.querySelector(":enabled")
        ).focus();
    },
    again(m) {
        if (running.has(talk.id)) return;
        answer(talk, talk.messages[m.parent]);
        toText();
    },
    edit(m, content) {
        if (running.has(talk.id)) return;
        const made = tree.add(talk, m.parent, m.role, content);
        keep(talk);
        show();
        if (made.role === "user") answer(talk, made);
        toText();
    },
};

function show() {
    hideToken();
    const now = new Map(),
        list = tree.path(talk);
    for (const m of list) now.set(m.id, views.get(m.id) ?? messageView(m, act, mode));
    views = now;
    $("messages").replaceChildren(...list.map(m => views.get(m.id).element));
    for (const view of views.values()) view.update();
    $("empty").hidden = list.length > 0;
    document.title = talk.title ? `${talk.title} – Chalcis` : "Chalcis";
    $("title").textContent = talk.title || "New conversation";
    const busy = running.has(talk.id);
    $("send").hidden = busy;
    $("stop").hidden = !busy;
}

function open(next) {
    talk = next;
    views = new Map();
    forTab.set("open", talk.id);
    show();
    toEnd();
    showList();
    document.body.classList.remove("side-open");
}

const openId = async id => {
    const found = running.get(id)?.talk ?? (await store.get(id));
    if (found) open(found);
    return Boolean(found);
};

const fresh = () => {
    open(tree.newTalk(talk.params));
    toText();
};

async function keep(which) {
    try {
        await store.put(which);
    } catch {
        notice("The browser has no room left to keep this conversation.");
    }
    showList();
}

// ---- Answers
// ------------------------------------------------------------------------------------- As often as
// the screen is drawn, and no more than half of the time.
function painter(message) {
    let waiting = false,
        spent = 0;
    const paint = () => {
        waiting = false;
        const began = performance.now(),
            follow = atEnd();
        views.get(message.id)?.update();
        if (follow) toEnd();
        spent = performance.now() - began;
    };
    return () => {
        if (waiting) return;
        waiting = true;
        setTimeout(() => requestAnimationFrame(paint), spent);
    };
}

function failed(message, e) {
    if (e.name === "AbortError") {
        message.stats.finish = "stopped";
        return;
    }
    message.error = e.message;
    if (e.retry) message.error += ` It asks to try again in ${e.retry} s.`;
}

async function answer(mine, parent) {
    const message = tree.add(mine, parent.id, "assistant", ""),
        abort = new AbortController();
    running.set(mine.id, { talk: mine, message, abort });
    const take = taker(message),
        paint = painter(message);
    show();
    toEnd();
    say("Answering.");
    const saving = setInterval(() => keep(mine), SAVE_MS);
    try {
        const body = {
            model: await model(),
            messages: tree.asked(mine, parent),
            stream: true,
            stream_options: { include_usage: true },
            logprobs: true,
            top_logprobs: 5,
            chalcis_cost: true,
            ...requested(mine.params),
        };
        for await (const chunk of server.chat(body, abort.signal)) {
            take(chunk);
            paint();
        }
    } catch (e) {
        failed(message, e);
    }
    clearInterval(saving);
    running.delete(mine.id);
    await keep(mine);
    if (talk !== mine) return;
    const follow = atEnd();
    show();
    if (follow) toEnd();
    say(message.error ?? (message.stats.finish === "stopped" ? "Stopped." : "Answered."));
}

function send() {
    const content = $("text").value.trim();
    if (!content || running.has(talk.id)) return;
    $("text").value = "";
    fit();
    const list = tree.path(talk),
        last = list[list.length - 1];
    const message = tree.add(talk, last?.id ?? "", "user", content);
    forTab.set("open", talk.id);
    answer(talk, message);
}

const stop = () => running.get(talk.id)?.abort.abort();

function fit() {
    $("text").style.height = "auto";
    $("text").style.height = `${$("text").scrollHeight}px`;
}

// ---- Beginning
// -----------------------------------------------------------------------------------
function startComposer() {
    $("composer").addEventListener("submit", e => {
        e.preventDefault();
        send();
    });
    $("stop").addEventListener("click", () => {
        stop();
        toText();
    });
    $("text").addEventListener("input", fit);
    $("text").addEventListener("keydown", e => {
        if (e.key === "Enter" && !e.shiftKey && !e.isComposing && fine.matches) {
            e.preventDefault();
            send();
        }
        if (e.key === "ArrowUp" && !$("text").value && !running.has(talk.id)) {
            const mine = tree
                .path(talk)
                .filter(m => m.role === "user")
                .pop();
            if (mine) {
                e.preventDefault();
                views.get(mine.id).edit?.click();
            }
        }
    });
    document.addEventListener("keydown", e => {
        if (e.key === "Escape" && !document.querySelector("dialog[open]")) stop();
    });
}

async function remove(id) {
    const gone = await store.get(id);
    running.get(id)?.abort.abort();
    await store.remove(id);
    if (talk.id === id) fresh();
    showList();
    if (gone) notice(`“${gone.title}” was deleted.`, "Undo", () => keep(gone));
}

async function rename(id, title) {
    const found = talk.id === id ? talk : (running.get(id)?.talk ?? (await store.get(id)));
    if (!found) return;
    found.title = title;
    await keep(found);
    if (found === talk) show();
}

// Another tab has put or removed a conversation.
async function changed(id) {
    showList();
    if (talk.id !== id || running.has(id)) return;
    const now = await store.get(id);
    if (now) {
        talk = now;
        views = new Map();
        show();
    }
}

async function start() {
    server.onKey(askKey);
    startModels(); // before anything can be sent: what is sent waits for the list
    startAround(fresh, () => {
        for (const view of views.values()) view.update();
    });
    startComposer();
    startTokens();
    startSettings(
        () => talk,
        () => {
            if (tree.path(talk).length) keep(talk);
        },
    );
    startList({ open: openId, remove, rename, openId: () => talk.id });
    if (!(await store.open(changed)))
        notice("This browser keeps no conversations: they end with this page.");
    if (!(await openId(forTab.get("open") ?? ""))) open(talk);
    toText();
    startLoad();
}

start();
