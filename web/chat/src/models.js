// models.js - which model is asked: the first of the server's list until another is chosen.
// SPDX-License-Identifier: MIT
import { $, el, notice } from "./dom.js";
import * as server from "./server.js";

let came = null; // a promise of the list

async function list() {
    let names = [];
    try {
        names = await server.models();
    } catch (e) {
        notice(e.message, "Try again", startModels);
    }
    $("model").replaceChildren(...names.map(n => el("option", { value: n }, n)));
    $("model").disabled = names.length < 2;
    $("model").hidden = !names.length;
}

export function startModels() {
    came = list();
}

// Undefined where there is no list: the server then takes its own.
export async function model() {
    await came;
    return $("model").value || undefined;
}
