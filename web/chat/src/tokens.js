// tokens.js - an answer as its tokens, shaded by how sure the model was ("sure") or by the steps
// that each took ("cost"), and what is known of one token under the pointer or the arrow keys.
// SPDX-License-Identifier: MIT
import { $, el, fact, percent } from "./dom.js";

const tokenOf = new WeakMap(); // of an element
const state = new WeakMap(); // of a host: what it shows

const visible = text => text.replaceAll("\n", "↵\n");
const quoted = text =>
    text === ""
        ? "part of a character"
        : text.replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥");
const steps = n => String(Number(n.toFixed(2))); // a mean over layers
const chance = token => (token.p === undefined ? "not drawn" : percent(token.p));
const bits = p => (p > 0 ? `${(-Math.log2(p)).toFixed(2)} bits` : "–");

function span(token, at) {
    const e = el(
        "span.tok",
        {
            tabIndex: at === 0 ? 0 : -1,
            role: "option",
            "aria-selected": "false",
            "aria-label": `${quoted(token.t)}, ${chance(token)}`,
        },
        visible(token.t) || "·",
    );
    if (token.d) e.classList.add("drafted");
    tokenOf.set(e, { ...token, at });
    return e;
}

// Doubt is the shade of "sure"; steps, from the fewest to the most of the answer, that of "cost".
// Where all take the same, a token that was not drafted has cost a pass of its own.
function shareOf({ p = 1, n, d }, mode, fewest, most) {
    if (mode === "sure") return 1 - p;
    if (most > fewest) return ((n ?? fewest) - fewest) / (most - fewest);
    return d ? 0 : 0.5;
}

function shade(host, mode, fewest, most) {
    for (const e of host.children)
        e.style.setProperty("--share", shareOf(tokenOf.get(e), mode, fewest, most).toFixed(3));
}

export function renderTokens(host, tokens, mode) {
    const had = state.get(host);
    if (!had || host.children.length > tokens.length) {
        host.replaceChildren();
        host.setAttribute("role", "listbox");
        host.setAttribute("aria-label", "The answer's tokens; arrow keys move");
        if (!had) listen(host);
    }
    const from = host.children.length;
    host.append(...tokens.slice(from).map((t, i) => span(t, from + i)));
    host.classList.toggle("cost", mode === "cost");
    const most = tokens.reduce((m, t) => Math.max(m, t.n ?? 0), 0);
    const fewest = tokens.reduce((m, t) => Math.min(m, t.n ?? most), most);
    shade(host, mode, fewest, most);
    state.set(host, { most });
}

// Mean probability, surprise, drafts, steps: one line on the whole answer.
export function summary(tokens) {
    const drawn = tokens.filter(t => t.p !== undefined),
        n = drawn.length;
    if (!n) return "";
    const surprise = drawn.reduce((s, t) => s - Math.log2(Math.max(t.p, 1e-12)), 0) / n;
    const parts = [
        `${surprise.toFixed(2)} bits a token`,
        `perplexity ${(2 ** surprise).toFixed(2)}`,
    ];
    const drafted = drawn.filter(t => t.d).length;
    if (drawn.some(t => t.d !== undefined)) parts.push(`${percent(drafted / n)} drafted`);
    const stepped = tokens.filter(t => t.n !== undefined);
    if (stepped.length)
        parts.push(
            `${(stepped.reduce((s, t) => s + t.n, 0) / stepped.length).toFixed(2)} steps a token`,
        );
    return parts.join(" · ");
}

// ---- One token ---------------------------------------------------------------------------------
let shown = null,
    hideTimer = 0;

function row(text, p, drawn) {
    const bar = el("span.bar");
    bar.style.setProperty("--p", p);
    return el(
        drawn ? "li.drawn" : "li",
        {},
        el("code", {}, quoted(text)),
        bar,
        el("span.num", {}, percent(p)),
    );
}

function content(token, most) {
    const others = [...(token.a ?? [])];
    let at = others.findIndex(([text]) => text === token.t);
    if (at < 0) at = others.findIndex(([, p]) => p === token.p); // shown by what it completes
    if (at < 0 && token.p !== undefined) at = others.push([token.t, token.p]) - 1;
    const facts = el("dl", {}, fact("Probability", chance(token)));
    if (token.p !== undefined) facts.append(fact("Surprise", bits(token.p)));
    if (token.d !== undefined) facts.append(fact("Drafted", token.d ? "yes" : "no"));
    if (token.n !== undefined)
        facts.append(
            fact(
                "Steps",
                token.n < most ? `${steps(token.n)}, at most ${steps(most)}` : steps(token.n),
            ),
        );
    const list = el(
        "ol",
        { "aria-label": "Alternatives" },
        ...others.map(([t, p], i) => row(t, p, i === at)),
    );
    return [
        el("p.which", {}, el("code", {}, quoted(token.t)), el("span", {}, `token ${token.at + 1}`)),
        facts,
        others.length ? list : "",
    ];
}

export function hideToken() {
    clearTimeout(hideTimer);
    $("tip").hidden = true;
    shown?.removeAttribute("aria-describedby");
    shown?.setAttribute("aria-selected", "false");
    shown = null;
}

function showToken(e) {
    clearTimeout(hideTimer);
    if (shown === e) return;
    hideToken();
    const tip = $("tip");
    shown = e;
    e.setAttribute("aria-describedby", "tip");
    e.setAttribute("aria-selected", "true");
    tip.replaceChildren(...content(tokenOf.get(e), state.get(e.parentElement).most));
    tip.hidden = false;
    const rects = e.getClientRects(),
        at = rects[rects.length - 1],
        w = tip.offsetWidth,
        h = tip.offsetHeight;
    const under = at.bottom + 6 + h < innerHeight || at.top < h + 6;
    tip.style.left = `${Math.max(8, Math.min(at.left, innerWidth - w - 8))}px`;
    tip.style.top = `${under ? at.bottom + 6 : at.top - h - 6}px`;
}

// A moment's grace, so that the pointer can reach the popover.
const hideSoon = () => {
    clearTimeout(hideTimer);
    hideTimer = setTimeout(hideToken, 200);
};

function move(host, from, key) {
    const all = host.children,
        i = Array.prototype.indexOf.call(all, from);
    const to = {
        ArrowRight: i + 1,
        ArrowDown: i + 1,
        ArrowLeft: i - 1,
        ArrowUp: i - 1,
        Home: 0,
        End: all.length - 1,
    }[key];
    if (to === undefined || !all[to]) return to !== undefined;
    from.tabIndex = -1;
    all[to].tabIndex = 0;
    all[to].focus();
    all[to].scrollIntoView({ block: "nearest" });
    showToken(all[to]);
    return true;
}

function listen(host) {
    const tokenAt = e => (tokenOf.has(e.target) ? e.target : null);
    host.addEventListener("pointerover", e => tokenAt(e) && showToken(tokenAt(e)));
    host.addEventListener("pointerleave", hideSoon);
    host.addEventListener("focusin", e => tokenAt(e) && showToken(tokenAt(e)));
    host.addEventListener("focusout", hideSoon);
    host.addEventListener("keydown", e => {
        if (tokenAt(e) && move(host, tokenAt(e), e.key)) e.preventDefault();
    });
}

export function startTokens() {
    $("tip").addEventListener("pointerenter", () => clearTimeout(hideTimer));
    $("tip").addEventListener("pointerleave", hideSoon);
    document.addEventListener(
        "scroll",
        e => e.target !== $("tip") && !shown?.matches(":focus") && hideToken(),
        { capture: true, passive: true },
    );
    document.addEventListener(
        "keydown",
        e => {
            if (e.key === "Escape" && shown) {
                e.stopPropagation();
                hideToken();
            }
        },
        { capture: true },
    );
}
