// settings.js - the parameters of a conversation: a table of fields, the form that it makes, and
// what of it goes into a request.  An empty field leaves the choice to the server.
// SPDX-License-Identifier: MIT
import { $, el } from "./dom.js";
import { forGood } from "./kept.js";

const FIELDS = [
    { name: "system", label: "System prompt", kind: "text", rows: 4 },
    {
        name: "temperature",
        label: "Temperature",
        min: 0,
        max: 2,
        step: 0.05,
        hint: "0 takes the likeliest token",
    },
    { name: "top_p", label: "Top-p", min: 0, max: 1, step: 0.01, hint: "up to this share in all" },
    { name: "top_k", label: "Top-k", min: 0, step: 1, hint: "so many; 0 is all" },
    { name: "min_p", label: "Min-p", min: 0, max: 1, step: 0.01, hint: "beside the likeliest" },
    { name: "max_tokens", label: "Max tokens", min: 1, step: 1, hint: "thoughts included" },
    { name: "seed", label: "Seed", min: 0, step: 1, hint: "the same seed, the same answer" },
    { name: "stop", label: "Stop texts", kind: "text", rows: 2, hint: "one a line" },
    {
        name: "reasoning_effort",
        label: "Reasoning",
        kind: "choice",
        choices: ["none", "low", "medium", "high"],
    },
];

function input(field) {
    const props = { id: `p-${field.name}`, name: field.name };
    if (field.kind === "text") return el("textarea", { ...props, rows: field.rows });
    if (field.kind === "choice")
        return el(
            "select",
            props,
            el("option", { value: "" }, "the server's choice"),
            ...field.choices.map(c => el("option", { value: c }, c)),
        );
    return el("input", {
        ...props,
        type: "number",
        min: field.min,
        max: field.max ?? "",
        step: field.step,
        inputMode: "decimal",
        placeholder: "auto",
    });
}

function row(field) {
    const box = input(field);
    const hint = field.hint && el("small", { id: `h-${field.name}` }, field.hint);
    if (hint) box.setAttribute("aria-describedby", hint.id);
    return el(
        field.kind === "text" ? "div.field" : "div.field.short",
        {},
        el("label", { htmlFor: box.id }, field.label),
        box,
        hint,
    );
}

export function lastParams() {
    return JSON.parse(forGood.get("params") ?? "{}");
}

// The form over `current().params`; `changed` is called after each change.
export function startSettings(current, changed) {
    const form = $("params");
    form.append(...FIELDS.map(row));
    const show = () => {
        for (const f of FIELDS) form.elements[f.name].value = current().params[f.name] ?? "";
    };
    form.addEventListener("input", e => {
        const { name, value, validity } = e.target;
        if (!validity.valid) return;
        if (value === "") delete current().params[name];
        else current().params[name] = value;
        forGood.set("params", JSON.stringify(current().params));
        changed();
    });
    $("params-reset").addEventListener("click", () => {
        current().params = {};
        forGood.drop("params");
        show();
        changed();
    });
    const dialog = $("settings");
    $("settings-open").addEventListener("click", () => {
        show();
        dialog.showModal();
    });
    dialog.addEventListener("click", e => {
        if (e.target === dialog) dialog.close();
    });
}

// Fields of a request.
export function requested(params) {
    const out = {};
    for (const { name, kind } of FIELDS) {
        const value = params[name];
        if (value === undefined || value === "" || name === "system") continue;
        if (name === "stop") out.stop = value.split("\n").filter(Boolean);
        else out[name] = kind === "choice" ? value : Number(value);
    }
    return out;
}
