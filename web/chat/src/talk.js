// talk.js - a conversation.  Its messages are a tree: to edit one, or to ask again, adds a branch
// and loses nothing.  `picked` says for each message ("" above the first) which of those below it
// is shown.
//   message: {id, parent, role: "user" | "assistant", content, reasoning?, tokens?, stats?, ...}
// SPDX-License-Identifier: MIT
import { newId } from "./dom.js";

export const newTalk = params => ({
    id: newId(),
    title: "",
    changed: Date.now(),
    params: { ...params },
    messages: {},
    picked: {},
});

export const below = (talk, parent) =>
    Object.values(talk.messages).filter(m => m.parent === parent);

export function add(talk, parent, role, content) {
    const message = { id: newId(), parent, role, content, at: Date.now() };
    talk.messages[message.id] = message;
    talk.picked[parent] = message.id;
    talk.changed = message.at;
    if (!talk.title && role === "user") talk.title = titleOf(content);
    return message;
}

// The messages that are shown, first to last.
export function path(talk) {
    const list = [];
    for (let at = ""; ;) {
        const next = talk.messages[talk.picked[at]];
        if (!next) return list;
        list.push(next);
        at = next.id;
    }
}

function titleOf(text) {
    const line = text.trim().replace(/\s+/g, " ");
    return line.length > 60 ? line.slice(0, 59).trimEnd() + "…" : line;
}

// What the server is asked: the system prompt and the messages down to `last`.
export function asked(talk, last) {
    const list = [];
    for (let m = last; m; m = talk.messages[m.parent])
        list.unshift({ role: m.role, content: m.content });
    if (talk.params.system) list.unshift({ role: "system", content: talk.params.system });
    return list;
}

const text = v => (typeof v === "string" ? v : "");
const record = v => (v && typeof v === "object" && !Array.isArray(v) ? v : {});
const only = (v, ...types) =>
    Object.fromEntries(Object.entries(record(v)).filter(([, x]) => types.includes(typeof x)));
const isToken = t =>
    typeof t?.t === "string" &&
    (t.p ?? 0) >= 0 &&
    (t.n ?? 0) >= 0 &&
    (t.a ?? []).every(a => typeof a?.[0] === "string" && a[1] >= 0);

// Conversations of a file: those that this page exported, or one that `chalcis chat` saved.
// Whatever else the file holds is left out; null where there is none.
export function imported(json) {
    if (json?.chalcis === "conversation" && Array.isArray(json.messages)) {
        const talk = newTalk({});
        let parent = "";
        for (const m of json.messages) {
            if (m?.role === "system") talk.params.system = text(m.content);
            else if (m?.role === "user" || m?.role === "assistant")
                parent = add(talk, parent, m.role, text(m.content)).id;
        }
        return [talk];
    }
    if (json?.chalcis !== "conversations" || !Array.isArray(json.conversations)) return null;
    return json.conversations.map(restored);
}

// Ids are made anew, so that an imported conversation stands beside the one it came from; a message
// is taken after the one that it answers, which also keeps out circles.
function restored(from) {
    const talk = newTalk(only(from?.params, "string")),
        ids = new Map([["", ""]]);
    const messages = Object.values(record(from?.messages));
    for (const m of messages) {
        if (!ids.has(m?.parent) || (m.role !== "user" && m.role !== "assistant")) continue;
        const made = add(talk, ids.get(m.parent), m.role, text(m.content));
        for (const key of ["reasoning", "note"]) if (text(m[key])) made[key] = m[key];
        if (m.stats) made.stats = only(m.stats, "string", "number");
        if (Array.isArray(m.tokens)) made.tokens = m.tokens.filter(isToken);
        ids.set(m.id, made.id);
    }
    for (const [parent, id] of Object.entries(record(from?.picked)))
        if (ids.has(parent) && ids.has(id)) talk.picked[ids.get(parent)] = ids.get(id);
    talk.title = text(from?.title) || talk.title;
    return talk;
}
