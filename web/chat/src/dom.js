// dom.js - elements, icons, copying, and numbers as people read them.
// SPDX-License-Identifier: MIT
export const $ = id => document.getElementById(id);

// el("button.quiet", {type: "button", onclick: f, "aria-label": "Copy"}, child, "text")
export function el(what, props = {}, ...children) {
    const [tag, ...classes] = what.split(".");
    const e = document.createElement(tag);
    if (classes.length) e.className = classes.join(" ");
    for (const [key, value] of Object.entries(props)) {
        if (key.startsWith("on")) e.addEventListener(key.slice(2), value);
        else if (key in e) e[key] = value;
        else e.setAttribute(key, value);
    }
    e.append(...children.filter(c => c !== null && c !== undefined));
    return e;
}

// One row of a <dl>.
export const fact = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));

const SVG = "http://www.w3.org/2000/svg";
export function icon(name) {
    const svg = document.createElementNS(SVG, "svg"),
        use = document.createElementNS(SVG, "use");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    use.setAttribute("href", `#i-${name}`);
    svg.append(use);
    return svg;
}

export const tool = (name, label, onclick, props = {}) =>
    el(
        "button.tool",
        { type: "button", title: label, "aria-label": label, onclick, ...props },
        icon(name),
    );

// The clipboard is there in secure contexts only, and a server on the next machine is none.
export async function copy(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const box = el("textarea.off", { value: text, readOnly: true });
        const before = document.activeElement;
        document.body.append(box);
        box.select();
        const done = document.execCommand("copy");
        box.remove();
        before?.focus();
        return done;
    }
}

export function copyButton(text, label = "Copy") {
    const button = tool("copy", label, async () => {
        const done = await copy(text());
        button.replaceChildren(icon(done ? "check" : "copy"));
        say(done ? "Copied." : "The browser does not let this page copy.");
        setTimeout(() => button.replaceChildren(icon("copy")), 1500);
    });
    return button;
}

// What a screen reader is told.
export function say(text) {
    $("status").textContent = text;
}

// A sentence at the lower edge for some seconds, perhaps with something to do about it.
let noticeTimer = 0;
export const hideNotice = () => {
    $("notice").hidden = true;
};
export function notice(text, label, action) {
    const chosen = () => {
        hideNotice();
        action();
    };
    const button = label && el("button.link", { type: "button", onclick: chosen }, label);
    $("notice").replaceChildren(el("span", {}, text), button ?? "");
    $("notice").hidden = false;
    clearTimeout(noticeTimer);
    noticeTimer = setTimeout(hideNotice, 8000);
}

export function percent(p) {
    const x = 100 * p;
    if (x > 0 && x < 0.01) return "< 0.01 %";
    return `${x.toFixed(x >= 99.95 || x < 1 ? 2 : 1)} %`;
}

export const whole = n => Math.round(n).toLocaleString("en").replaceAll(",", "\u202f");
export const newId = () =>
    "m" +
    Array.from(crypto.getRandomValues(new Uint8Array(12)), b =>
        b.toString(36).padStart(2, "0"),
    ).join("");
