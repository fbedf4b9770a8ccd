// around.js - what stands around the conversation: theme, view, drawer, the key's dialog,
// shortcuts.
// SPDX-License-Identifier: MIT
import { $, hideNotice, icon } from "./dom.js";
import { forGood } from "./kept.js";

const THEMES = { system: "Theme: the system's", light: "Theme: light", dark: "Theme: dark" };

function startTheme() {
    const button = $("theme"),
        names = Object.keys(THEMES);
    let now = forGood.get("theme");
    if (!names.includes(now)) now = "system";
    const show = () => {
        if (now === "system") delete document.documentElement.dataset.theme;
        else document.documentElement.dataset.theme = now;
        button.replaceChildren(icon(now));
        button.title = THEMES[now];
        button.setAttribute("aria-label", THEMES[now]);
    };
    button.addEventListener("click", () => {
        now = names[(names.indexOf(now) + 1) % names.length];
        forGood.set("theme", now);
        show();
    });
    show();
}

function startView(changed) {
    const views = document.querySelectorAll("input[name=view]");
    const kept = forGood.get("view") ?? "text";
    for (const v of views) {
        v.checked = v.value === kept;
        v.addEventListener("change", () => {
            forGood.set("view", v.value);
            show();
            changed();
        });
    }
    const show = () => {
        if (![...views].some(v => v.checked)) views[0].checked = true;
        $("legend").dataset.view = [...views].find(v => v.checked).value;
    };
    show();
    return () => {
        const next = ([...views].findIndex(v => v.checked) + 1) % views.length;
        views[next].click();
    };
}

// On narrow screens the list of conversations is a drawer, and what it covers cannot be reached.
function startDrawer() {
    const narrow = matchMedia("(max-width: 56rem)");
    const set = open => {
        document.body.classList.toggle("side-open", open);
        if (open) $("find").focus();
    };
    const follow = () => {
        const open = document.body.classList.contains("side-open");
        $("menu").setAttribute("aria-expanded", String(open));
        $("main").inert = narrow.matches && open;
    };
    new MutationObserver(follow).observe(document.body, { attributeFilter: ["class"] });
    narrow.addEventListener("change", () => {
        set(false);
        follow();
    });
    $("menu").addEventListener("click", () => set(true));
    const leave = () => {
        set(false);
        follow();
        $("menu").focus();
    };
    $("veil").addEventListener("click", leave);
    $("side").addEventListener("keydown", e => {
        if (e.key === "Escape" && narrow.matches) leave();
    });
}

// A promise of the key that is typed, "" if the dialog is left.
let asking = null;
export function askKey(why) {
    asking ??= new Promise(done => {
        const dialog = $("key"),
            box = $("key-text");
        $("key-why").textContent = why;
        box.value = "";
        dialog.returnValue = "";
        dialog.addEventListener(
            "close",
            () => {
                asking = null;
                done(dialog.returnValue === "given" ? box.value.trim() : "");
            },
            { once: true },
        );
        dialog.showModal();
    });
    return asking;
}

// changed: the answers are to be shown in another way
export function startAround(fresh, changed) {
    startTheme();
    const turn = startView(changed);
    startDrawer();
    $("new").addEventListener("click", fresh);
    $("key-form").addEventListener("submit", e => {
        e.preventDefault();
        $("key").close("given");
    });
    $("key-leave").addEventListener("click", () => $("key").close(""));
    $("settings-close").addEventListener("click", () => $("settings").close());
    document.addEventListener("keydown", e => {
        if (!e.altKey || e.ctrlKey || e.metaKey) return;
        const todo = { KeyN: fresh, KeyV: turn, KeyP: () => $("settings-open").click() }[e.code];
        if (!todo || document.querySelector("dialog[open]")) return;
        e.preventDefault();
        todo();
    });
    document.addEventListener("keydown", e => {
        if (e.key === "Escape") hideNotice();
    });
}
