// message.js - one message as an element.  messageView(message, act, mode) returns {element,
// update, edit}; `act` has what can be done with it: siblings, pick, again, edit, busy.
// SPDX-License-Identifier: MIT
import { copyButton, el, icon, tool, whole } from "./dom.js";
import { render } from "./markdown.js";
import { renderTokens, summary } from "./tokens.js";

const FINISHES = {
    length: "Cut off: the limit of tokens was reached.",
    content_filter: "The server withheld the rest.",
    stopped: "Stopped.",
    left: "The page was left before the answer ended.",
};
const finishOf = message => message.stats && (message.stats.finish ?? "left");

function statsOf(message) {
    const s = message.stats ?? {},
        drawn = s.drawn ?? message.tokens?.length,
        parts = [];
    if (!drawn) return "";
    const drawing = s.all_s - s.first_s;
    parts.push(`${whole(drawn)} tokens`);
    if (s.drawn > 1 && drawing > 0) parts.push(`${((s.drawn - 1) / drawing).toFixed(1)} tokens/s`);
    if (s.first_s > 0) parts.push(`first after ${s.first_s.toFixed(2)} s`);
    if (s.prompt)
        parts.push(`prompt ${whole(s.prompt)}` + (s.cached ? `, ${whole(s.cached)} cached` : ""));
    return parts.join(" · ");
}

function branches(message, act) {
    const all = act.siblings(message);
    if (all.length < 2) return null;
    const at = all.indexOf(message);
    const to = (name, label, i) =>
        tool(name, label, () => act.pick(all[i], label), { disabled: !all[i] });
    return el(
        "span.branches",
        { role: "group", "aria-label": "Versions" },
        to("left", "Earlier version", at - 1),
        el("span", {}, `${at + 1}/${all.length}`),
        to("right", "Later version", at + 1),
    );
}

// Edited in place: what is sent becomes a version of its own.
function editor(message, act, view) {
    const mine = message.role === "user";
    const box = el("textarea", {
        value: message.content,
        "aria-label": "Edit the message",
        rows: 1,
    });
    const fit = () => {
        box.style.height = "auto";
        box.style.height = `${box.scrollHeight + 2}px`;
    };
    const form = el(
        "form.edit",
        {},
        box,
        el(
            "div",
            {},
            el("button.main", { type: "submit" }, mine ? "Send" : "Keep as a version"),
            el("button", { type: "button", onclick: () => close() }, "Cancel"),
        ),
    );
    const close = () => {
        form.replaceWith(view.body);
        view.update();
        view.edit?.focus();
    };
    form.addEventListener("submit", e => {
        e.preventDefault();
        if (box.value.trim()) act.edit(message, box.value);
    });
    form.addEventListener("keydown", e => {
        if (e.key === "Escape") {
            e.stopPropagation();
            close();
        }
        if (e.key === "Enter" && (mine ? !e.shiftKey : e.ctrlKey) && !e.isComposing) {
            e.preventDefault();
            form.requestSubmit();
        }
    });
    box.addEventListener("input", fit);
    view.body.replaceWith(form);
    fit();
    box.focus();
}

function buttons(message, act, view) {
    if (act.busy(message)) return [];
    view.edit = tool("edit", "Edit", () => editor(message, act, view));
    const list = [copyButton(() => message.content), view.edit];
    if (message.role === "assistant")
        list.push(tool("again", "Answer again", () => act.again(message)));
    return [el("span.tools", {}, ...list), branches(message, act)];
}

function thoughtView() {
    const text = el("div"),
        label = el("span");
    const fold = el(
        "details.thought",
        { hidden: true },
        el("summary", {}, icon("right"), label),
        text,
    );
    return {
        fold,
        update(message, mode, busy) {
            const tokens = (message.tokens ?? []).filter(t => t.r);
            fold.hidden = !message.reasoning;
            if (!message.reasoning) return;
            label.textContent =
                busy && !message.content
                    ? "Thinking"
                    : tokens.length
                      ? `Thought for ${whole(tokens.length)} tokens`
                      : "Thoughts";
            body(text, message.reasoning, tokens, mode);
        },
    };
}

// The text as prose or as tokens; changing from one to the other begins with a new element.
function body(host, text, tokens, mode) {
    const kind = mode !== "text" && tokens.length ? "tokens" : "prose";
    if (host.firstElementChild?.className.split(" ")[0] !== kind)
        host.replaceChildren(el(`div.${kind}`));
    if (kind === "tokens") renderTokens(host.firstElementChild, tokens, mode);
    else render(host.firstElementChild, text);
}

const callsOf = calls =>
    calls.map(c => `\n\n\`\`\`json\n${c.name}(${c.arguments})\n\`\`\``).join("");

export function messageView(message, act, mode) {
    const mine = message.role === "user";
    const view = { body: el("div.body"), edit: null };
    const note = el("p.note", { hidden: true }),
        stats = el("span.stats"),
        foot = el("footer");
    const thought = thoughtView();
    const element = el(
        `article.message.${message.role}`,
        { "aria-label": mine ? "You" : "Answer" },
        ...(mine ? [view.body] : [thought.fold, view.body, note]),
        foot,
    );
    view.update = () => {
        const busy = act.busy(message),
            shown = mode();
        element.classList.toggle("busy", busy);
        if (mine) {
            view.body.textContent = message.content;
        } else {
            thought.update(message, shown, busy);
            body(
                view.body,
                message.content + callsOf(message.calls ?? []),
                (message.tokens ?? []).filter(t => !t.r),
                shown,
            );
        }
        note.textContent = busy ? "" : (message.error ?? FINISHES[finishOf(message)] ?? "");
        note.classList.toggle("error", Boolean(message.error));
        note.hidden = !note.textContent;
        if (busy) {
            foot.replaceChildren();
            return;
        }
        stats.textContent = shown === "text" ? statsOf(message) : summary(message.tokens ?? []);
        foot.replaceChildren(...buttons(message, act, view).filter(Boolean), mine ? "" : stats);
    };
    view.update();
    return Object.assign(view, { element });
}
