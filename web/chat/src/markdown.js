// markdown.js - a model's text as elements.  marked reads it, DOMPurify lets through what is listed
// here and nothing else: no HTML of the model's, no images from elsewhere, no address but http,
// https and mailto.  While an answer grows only the blocks that changed are made anew, so that what
// was selected or focused above stays.
// SPDX-License-Identifier: MIT
import DOMPurify from "dompurify";
import { Marked } from "marked";
import { copyButton, el } from "./dom.js";

const escaped = text => text.replace(/[&<>"']/g, c => `&#${c.charCodeAt(0)};`);

const marked = new Marked({
    gfm: true,
    breaks: true, // verses
    renderer: {
        html: token => escaped(token.text),
        image({ href, text }) {
            return `<a href="${escaped(href)}">${escaped(text || "image")}</a>`;
        },
    },
});

const ALLOWED = {
    ALLOWED_TAGS: [
        "p",
        "br",
        "hr",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "ul",
        "ol",
        "li",
        "blockquote",
        "pre",
        "code",
        "em",
        "strong",
        "del",
        "a",
        "input",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ],
    ALLOWED_ATTR: ["href", "title", "start", "type", "checked", "disabled", "align", "class"],
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
    ADD_URI_SAFE_ATTR: ["align", "start", "type", "checked", "disabled"],
    ALLOW_DATA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
};

DOMPurify.addHook("afterSanitizeAttributes", e => {
    if (e.tagName === "A" && e.hasAttribute("href")) {
        e.setAttribute("target", "_blank");
        e.setAttribute("rel", "noopener noreferrer nofollow");
    }
    if (e.tagName === "INPUT") {
        e.setAttribute("type", "checkbox");
        e.setAttribute("disabled", "");
    }
    if (e.hasAttribute("class") && !/^language-[\w+#.-]+$/.test(e.className))
        e.removeAttribute("class");
});

function finish(block) {
    for (const pre of block.querySelectorAll("pre")) {
        const code = pre.querySelector("code") ?? pre;
        const language = /^language-(.+)$/.exec(code.className)?.[1] ?? "";
        const box = el("figure.code");
        pre.replaceWith(box);
        pre.tabIndex = 0; // it may scroll sideways
        box.append(
            el(
                "figcaption",
                {},
                el("span", {}, language),
                copyButton(() => code.textContent, "Copy code"),
            ),
            pre,
        );
    }
    for (const table of block.querySelectorAll("table")) {
        const box = el("div.wide", { tabIndex: 0 });
        table.replaceWith(box);
        box.append(table);
    }
}

const sources = new WeakMap(); // a block's Markdown
export function render(host, text) {
    try {
        renderBlocks(host, text);
    } catch (e) {
        // nested more deeply than the stack
        if (!(e instanceof RangeError) && !/call stack|recursion/.test(e.message)) throw e;
        host.replaceChildren(el("div.raw", {}, text));
    }
}

function renderBlocks(host, text) {
    const tokens = marked.lexer(text),
        links = tokens.links;
    const blocks = tokens.filter(t => t.type !== "space" && t.type !== "def");
    const key = JSON.stringify(links);
    blocks.forEach((token, i) => {
        const old = host.children[i];
        if (old && sources.get(old) === token.raw + key) return;
        const block = el("div");
        const list = Object.assign([token], { links });
        block.append(DOMPurify.sanitize(marked.parser(list), ALLOWED));
        finish(block);
        sources.set(block, token.raw + key);
        if (old) old.replaceWith(block);
        else host.append(block);
    });
    while (host.children.length > blocks.length) host.lastElementChild.remove();
}
