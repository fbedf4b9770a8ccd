// store.js - conversations in this browser (IndexedDB): `heads` for the list, `talks` whole.  Where
// the browser keeps nothing (a private window), they live as long as the page.
// SPDX-License-Identifier: MIT
import { openDB } from "idb";

let db = null;
const memory = new Map();
const others = typeof BroadcastChannel === "function" ? new BroadcastChannel("chalcis") : null;

const headOf = talk => ({ id: talk.id, title: talk.title, changed: talk.changed });
const told = id => others?.postMessage(id);

// Whether it keeps what it is given.  `changed` hears of what another tab has put or removed.
export async function open(changed) {
    others?.addEventListener("message", e => changed(e.data));
    try {
        db = await openDB("chalcis", 1, {
            upgrade(made) {
                made.createObjectStore("heads", { keyPath: "id" });
                made.createObjectStore("talks", { keyPath: "id" });
            },
        });
    } catch {
        db = null;
    }
    return db !== null;
}

// Newest first.
export async function heads() {
    const list = db ? await db.getAll("heads") : Array.from(memory.values(), headOf);
    return list.sort((a, b) => b.changed - a.changed);
}

export const get = async id => (db ? db.get("talks", id) : memory.get(id));
export const all = async () => (db ? db.getAll("talks") : Array.from(memory.values()));

export async function put(talk) {
    if (!db) {
        memory.set(talk.id, talk);
        return;
    }
    const both = db.transaction(["heads", "talks"], "readwrite");
    await Promise.all([
        both.objectStore("heads").put(headOf(talk)),
        both.objectStore("talks").put(talk),
        both.done,
    ]);
    told(talk.id);
}

export async function remove(id) {
    if (!db) {
        memory.delete(id);
        return;
    }
    const both = db.transaction(["heads", "talks"], "readwrite");
    await Promise.all([
        both.objectStore("heads").delete(id),
        both.objectStore("talks").delete(id),
        both.done,
    ]);
    told(id);
}
