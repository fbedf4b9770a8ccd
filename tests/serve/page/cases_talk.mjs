// cases_talk.mjs - conversations: said, stopped, branched, looked into, kept.
// SPDX-License-Identifier: MIT
import { readFileSync } from "node:fs";
import { answers, body, holds, picture, same, say, settled, test, type } from "./drive.mjs";

test("a message is typed, an answer streams, as Markdown", async (page, { asked }) => {
    await type(page, "slowly please"); // long enough to be seen at work
    await page.locator("#stop").waitFor();
    await page.locator(".message.busy strong").waitFor();
    await settled(page);
    same(await page.locator(".prose li").count(), 2, "items");
    same(await page.locator(".prose td").count(), 4, "cells");
    same(
        await page.locator(".prose td").first().getAttribute("align"),
        "right",
        "a column to the right",
    );
    same(await page.locator(".prose a").getAttribute("rel"), "noopener noreferrer nofollow", "rel");
    holds((await page.locator(".stats").innerText()).includes("96 cached"), "no usage");
    const [request] = await asked();
    same(
        [request.stream, request.chalcis_cost, request.top_logprobs, request.model],
        [true, true, 5, "chalcis-5.8m"],
        "the request",
    );
    same(request.messages, [{ role: "user", content: "slowly please" }], "the messages");
    same("temperature" in request, false, "a temperature that nobody set");
    await picture(page, "light");
});

test("who is early waits for the list of models", async (page, { asked }) => {
    await page.route("**/v1/models", async route => {
        await new Promise(done => setTimeout(done, 400));
        await route.continue();
    });
    await page.reload();
    await say(page, "Hello");
    same((await asked())[0].model, "chalcis-5.8m", "the model");
    await page.selectOption("#model", "other");
    await say(page, "Hello");
    same((await asked())[1].model, "other", "the chosen model");
});

test("who is earlier than the browser's store waits for the list too", async (page, { asked }) => {
    await page.addInitScript(() => {
        const listen = IDBOpenDBRequest.prototype.addEventListener;
        IDBOpenDBRequest.prototype.addEventListener = function (kind, heard, ...more) {
            const late = kind === "success" ? e => setTimeout(heard, 600, e) : heard;
            listen.call(this, kind, late, ...more);
        };
    });
    await page.reload();
    await say(page, "Hello");
    same((await asked())[0].model, "chalcis-5.8m", "the model");
    await page.waitForFunction(() => document.querySelector("#load-text").textContent !== "…");
    same(await body(page, 0), "You said: Hello (answer 1)", "the answer, once the store is there");
});

test("code is copied", async (page, { context }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await say(page, "fox");
    await page.click(".code button");
    holds(
        (await page.evaluate(() => navigator.clipboard.readText())).startsWith("for (int hour"),
        "copied",
    );
});

test("stopped in mid-answer, the part stays", async (page, { at }) => {
    await type(page, "long");
    await page.waitForFunction(
        () => document.querySelector(".message.assistant .body").innerText.length > 60,
    );
    await page.keyboard.press("Escape");
    await settled(page);
    same(await page.locator(".note").innerText(), "Stopped.", "the note");
    const text = await body(page, 0);
    holds(text.startsWith("tick tock"), "the part");
    await page.waitForTimeout(300);
    same(await body(page, 0), text, "later");
    same((await (await fetch(`${at}load`)).json()).active, 0, "answers under way on the server");
});

test("answered again: both versions can be turned to", async page => {
    await say(page, "Hello");
    same(await body(page, 0), "You said: Hello (answer 1)", "first");
    await page.click("[aria-label='Answer again']");
    await settled(page);
    same(await body(page, 0), "You said: Hello (answer 2)", "second");
    await page.click("[aria-label='Earlier version']");
    same(await body(page, 0), "You said: Hello (answer 1)", "back");
    same(
        await page.evaluate(() => document.activeElement.getAttribute("aria-label")),
        "Later version",
        "focus",
    );
    same(await page.locator(".assistant .branches").innerText(), "1/2", "count");
});

test("an edited message branches off", async (page, { asked }) => {
    await say(page, "One");
    await say(page, "Two");
    await page.locator(".message.user").first().hover();
    await page.locator(".user [aria-label='Edit']").first().click();
    await page.locator(".edit textarea").fill("Three");
    await page.keyboard.press("Enter");
    await settled(page);
    same(await answers(page).count(), 1, "answers of the branch");
    same((await asked())[2].messages, [{ role: "user", content: "Three" }], "what it asked");
    await page.locator(".user [aria-label='Earlier version']").click();
    same(await answers(page).count(), 2, "answers before");
    await page.locator("#text").press("ArrowUp");
    await page.locator(".edit textarea").press("Escape");
    same(await page.locator(".edit").count(), 0, "an edit that was left");
});

test("an answer as tokens: doubt, alternatives, drafts, steps", async page => {
    await say(page, "fox");
    await page.keyboard.press("Alt+KeyV");
    const tokens = page.locator(".tok"),
        tip = page.locator("#tip");
    holds((await tokens.count()) > 60, "tokens");
    same(await page.locator(".prose").count(), 0, "prose beside it");
    await tokens.nth(3).hover();
    await tip.waitFor();
    const text = await tip.innerText();
    for (const part of ["22.0 %", "2.18 bits", "␣hen", "46.8 %", "Drafted", "no", "4, at most 5"])
        holds(text.includes(part), `the popover lacks ${part}: ${text}`);
    await picture(page, "tokens-light");
    await tokens.nth(3).focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    same(
        await page.evaluate(() => document.activeElement === document.querySelectorAll(".tok")[5]),
        true,
        "focus",
    );
    holds((await tip.innerText()).includes("4.0 %"), "the popover follows the keys");
    same(await tokens.nth(5).getAttribute("aria-describedby"), "tip", "described");
    await page.keyboard.press("Escape");
    same(await tip.isVisible(), false, "after Escape");
    await page.keyboard.press("Alt+KeyV");
    same(await page.locator(".tokens.cost").count(), 1, "steps as shades");
    await picture(page, "cost-light");
});

test("characters of several tokens are whole; thoughts are folded", async page => {
    await say(page, "think");
    same(await body(page, 0), "Hello! \u{1f98a}", "the answer");
    same(await page.locator(".thought").getAttribute("open"), null, "folded");
    await page.click(".thought summary");
    same(
        await page.locator(".thought > div").innerText(),
        "The user greets me. I greet back.",
        "the thought",
    );
    await page.locator("#view input[value=sure]").check();
    same(
        await page.locator(".body .tok").allTextContents(),
        ["Hello!", " ", "\u{1f98a}"],
        "tokens",
    );
});

test("a reload keeps conversations; they are renamed, deleted, brought back", async page => {
    await say(page, "First talk");
    await page.click("#new");
    await say(page, "Second talk");
    await page.reload();
    same(await body(page, 0), "You said: Second talk (answer 2)", "the open one");
    await page.locator("#list .open").nth(1).waitFor(); // drawn apart from the talk
    same(
        await page.locator("#list .open").allInnerTexts(),
        ["Second talk", "First talk"],
        "the list",
    );
    await page.locator("#list li").nth(1).hover();
    await page.click("[aria-label='Rename “First talk”']");
    await page.keyboard.type("A better name");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "A better name", exact: true }).click();
    await page.getByText("You said: First talk (answer 1)").waitFor();
    await page.click("[aria-label='Delete “A better name”']");
    await page.getByRole("button", { name: "Undo" }).click();
    await page.getByRole("button", { name: "A better name", exact: true }).waitFor();
    await page.fill("#find", "second");
    await page.waitForFunction(() => document.querySelectorAll("#list li").length === 1);
});

test("exported and imported", async page => {
    await say(page, "Keep this");
    const [file] = await Promise.all([page.waitForEvent("download"), page.click("#export")]);
    const text = readFileSync(await file.path(), "utf8");
    same(JSON.parse(text).chalcis, "conversations", "its kind");
    const give = (name, content) =>
        page.setInputFiles("#file", {
            name,
            mimeType: "application/json",
            buffer: Buffer.from(content),
        });
    await give("back.json", text);
    await page.waitForFunction(() => document.querySelectorAll("#list li").length === 2);
    same(await body(page, 0), "You said: Keep this (answer 1)", "imported");
    holds(
        await page.evaluate(
            () =>
                document.querySelector("#view input[value=sure]").click() ||
                document.querySelectorAll(".tok").length > 3,
        ),
        "tokens come along",
    );
    await give(
        "chat.json",
        '{"chalcis": "conversation", "messages": [{"role": "system", "content": "Be brief."},' +
            '{"role": "user", "content": "From the terminal"}, {"role": "assistant", "content": "Yes."}]}',
    );
    await page.getByRole("button", { name: "From the terminal", exact: true }).waitFor();
    await page.click("#settings-open");
    same(await page.inputValue("#p-system"), "Be brief.", "its system prompt");
    await page.keyboard.press("Escape");
    for (const bad of ["{", "[]", "null", '{"chalcis": "conversations"}']) {
        await give("bad.json", bad);
        await page.getByText("bad.json holds no conversations.").waitFor();
    }
    await give(
        "odd.json",
        '{"chalcis": "conversations", "conversations": [null, {"messages": {"a": {"id": "a",' +
            '"parent": "a", "role": "user"}, "b": null, "c": {"id": "c", "parent": "", "role": "system"}},' +
            '"picked": {"": "a"}, "params": {"system": {}}}]}',
    );
    await page.waitForFunction(() => document.querySelectorAll("#list li").length === 5);
    await say(page, "Still there?");
});

test("parameters go along, empty ones do not", async (page, { asked }) => {
    await page.click("#settings-open");
    for (const [name, value] of Object.entries({
        system: "Be brief.",
        temperature: "0.5",
        top_p: "0.9",
        top_k: "7",
        min_p: "0.05",
        max_tokens: "3",
        seed: "11",
        stop: "one\ntwo",
    }))
        await page.fill(`#p-${name}`, value);
    await page.selectOption("#p-reasoning_effort", "low");
    await picture(page, "settings");
    await page.fill("#p-temperature", "-1");
    await page.keyboard.press("Escape");
    await page.locator("#settings").waitFor({ state: "hidden" });
    await say(page, "Hello there");
    const { messages, temperature, top_p, top_k, min_p, max_tokens, seed, stop, reasoning_effort } =
        (await asked())[0];
    same(
        [temperature, top_p, top_k, min_p, max_tokens, seed, stop, reasoning_effort],
        [0.5, 0.9, 7, 0.05, 3, 11, ["one", "two"], "low"],
        "sent",
    );
    same(messages[0], { role: "system", content: "Be brief." }, "the system prompt");
    same(
        await page.locator(".note").innerText(),
        "Cut off: the limit of tokens was reached.",
        "the limit is told",
    );
    await page.click("#settings-open");
    await page.click("#params-reset");
    await page.keyboard.press("Escape");
    await say(page, "Again");
    same("top_k" in (await asked())[1], false, "after the reset");
});

test("an answer that was under way goes on beside another conversation", async page => {
    await type(page, "long");
    await page.locator(".message.busy .prose p").waitFor();
    await page.click("#new");
    await say(page, "Meanwhile");
    same(await body(page, 0), "You said: Meanwhile (answer 2)", "the other");
    await page.getByRole("button", { name: "long", exact: true }).click();
    await page.locator("#stop").click();
    await settled(page);
    await type(page, "long again");
    await page.waitForTimeout(2500); // kept every two seconds
    await page.reload();
    same(
        await page.locator(".note").allInnerTexts(),
        ["Stopped.", "The page was left before the answer ended."],
        "how they ended",
    );
});
