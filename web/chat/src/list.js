// list.js - the conversations at the side: found, opened, renamed, deleted, exported, imported.
// SPDX-License-Identifier: MIT
import { $, el, notice, tool } from "./dom.js";
import * as store from "./store.js";
import { imported } from "./talk.js";

let act = null;

function rename(item, head) {
    const box = el("input", { value: head.title, maxLength: 200, "aria-label": "Title" });
    const form = el("form", {}, box);
    let done = false;
    const end = keep => {
        if (done) return;
        done = true;
        if (keep && box.value.trim()) act.rename(head.id, box.value.trim());
        else showList();
    };
    form.addEventListener("submit", e => {
        e.preventDefault();
        end(true);
    });
    box.addEventListener("keydown", e => {
        if (e.key === "Escape") {
            e.stopPropagation();
            end(false);
        }
    });
    box.addEventListener("blur", () => end(true));
    item.replaceChildren(form);
    box.select();
}

function item(head, openId) {
    const title = head.title || "Untitled";
    const li = el(
        "li",
        {},
        el("button.open", { type: "button", title, onclick: () => act.open(head.id) }, title),
    );
    if (head.id === openId) li.firstElementChild.setAttribute("aria-current", "page");
    li.append(
        tool("edit", `Rename “${title}”`, () => rename(li, head)),
        tool("trash", `Delete “${title}”`, () => act.remove(head.id)),
    );
    return li;
}

export async function showList() {
    const wanted = $("find").value.trim().toLowerCase(),
        heads = await store.heads();
    const found = heads.filter(h => h.title.toLowerCase().includes(wanted));
    $("list").replaceChildren(...found.map(h => item(h, act.openId())));
    $("none").hidden = found.length > 0;
    $("none").textContent = heads.length ? "None with this title." : "Nothing here yet.";
}

function download(name, value) {
    const url = URL.createObjectURL(
        new Blob([JSON.stringify(value)], { type: "application/json" }),
    );
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
}

async function takeFile(file) {
    let talks = null;
    try {
        talks = imported(JSON.parse(await file.text()));
    } catch {
        /* is told below */
    }
    if (!talks) {
        notice(`${file.name} holds no conversations.`);
        return;
    }
    for (const talk of talks) await store.put(talk);
    notice(
        talks.length === 1
            ? "One conversation was added."
            : `${talks.length} conversations were added.`,
    );
    if (talks.length) act.open(talks[0].id);
    showList();
}

// act: {open(id), remove(id), rename(id, title), openId()}
export function startList(given) {
    act = given;
    $("find").addEventListener("input", showList);
    $("export").addEventListener("click", async () => {
        const conversations = await store.all();
        download("chalcis-conversations.json", {
            chalcis: "conversations",
            version: 1,
            conversations,
        });
    });
    $("import").addEventListener("click", () => $("file").click());
    $("file").addEventListener("change", async () => {
        for (const file of $("file").files) await takeFile(file);
        $("file").value = "";
    });
}
