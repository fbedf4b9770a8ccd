// real.mjs - the page against a server with a model.  What the model says is anybody's guess; that
// it streams, can be stopped, asked again and looked into is not.
//   node real.mjs PLAYWRIGHT-CORE CHROMIUM http://HOST:PORT/ - FOLDER-FOR-SCREENSHOTS
// SPDX-License-Identifier: MIT
import { answers, body, holds, picture, runAll, same, say, settled, test, type } from "./drive.mjs";

const load = async at => (await fetch(`${at}load`)).json();
const length = page => page.locator(".message.assistant .body").last().innerText();
async function until(condition, what) {
    for (const end = Date.now() + 30000; Date.now() < end; ) {
        if (await condition()) return;
        await new Promise(done => setTimeout(done, 20));
    }
    throw new Error(`never: ${what}`);
}

// Answers end where the test wants them to, not where the model does.
const answersHave = async (page, tokens) => {
    await page.unrouteAll();
    await page.route("**/v1/chat/completions", route => {
        const postData = { ...route.request().postDataJSON(), min_tokens: tokens, max_tokens: tokens };
        return route.continue({ postData: JSON.stringify(postData) });
    });
};

test("a story is asked for, streams, is stopped, and told again", async (page, { at }) => {
    await answersHave(page, 3900);
    await type(page, "Tell me a long story about a cat.");
    await page.locator("#stop").waitFor();
    await until(async () => (await length(page)).length > 40, "an answer");
    await page.keyboard.press("Escape");
    await settled(page);
    const part = await body(page, 0);
    holds(part.length > 40, "the part that came");
    await until(async () => (await load(at)).active === 0, "the server lets go of it");
    same(await page.locator(".note.error").count(), 0, "errors");
    await answersHave(page, 50);
    await page.click("[aria-label='Answer again']");
    await settled(page);
    holds((await body(page, 0)).length > 0, "another answer");
    same(await page.locator(".assistant .branches").innerText(), "2/2", "both are there");
    await page.click("[aria-label='Earlier version']");
    same(await body(page, 0), part, "the first of them");
    await page.locator(".message.user").first().hover();
    await page.locator(".user [aria-label='Edit']").first().click();
    await page.locator(".edit textarea").fill("Tell me a story about a dog.");
    await page.keyboard.press("Enter");
    await settled(page);
    same(await answers(page).count(), 1, "answers of the branch");
    holds(/\d/.test(await page.locator(".stats").last().innerText()), "what it took");
    await picture(page, "real");
});

test("every token has its probability", async page => {
    await answersHave(page, 50);
    await say(page, "Hello");
    await page.keyboard.press("Alt+KeyV");
    const tokens = page.locator(".body .tok"),
        n = await tokens.count(),
        seen = text => text.replace(/[\s↵]/g, "");
    holds(n > 25, `${n} tokens`); // one that is part of a character is shown with the others
    same(
        seen((await tokens.allTextContents()).join("")),
        seen(await body(page, 0)),
        "the tokens are the answer",
    );
    for (const i of [0, n >> 1, n - 1]) {
        await tokens.nth(i).focus();
        await page.locator("#tip").waitFor();
        const tip = await page.locator("#tip").innerText();
        const [, percent] = /([\d.<]+) %/.exec(tip) ?? [];
        holds(percent !== undefined, `token ${i} has no probability: ${tip}`);
    }
    await picture(page, "real-tokens");
});

test("what the server does for others is shown", async (page, { at }) => {
    const others = new AbortController(),
        ask = { prompt: "Once", max_tokens: 300, ignore_eos: true, n: 8 };
    const asking = (async () => {
        while (!others.signal.aborted)
            await fetch(`${at}v1/completions`, {
                method: "POST",
                body: JSON.stringify(ask),
                signal: others.signal,
            }).then(r => r.text());
    })().catch(() => {});
    await page.locator("#load.busy").waitFor();
    others.abort();
    await asking;
    await page.locator("#load.idle").waitFor();
    await page.click("#load summary");
    holds(/\d/.test(await page.locator("#load-all").innerText()), "figures");
});

test(
    "dark, and 320 pixels wide",
    async page => {
        const shade = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        same(shade, "rgb(23, 22, 20)", "dark");
        await answersHave(page, 50);
        await page.fill("#text", "Tell me a story.");
        await page.click("#send");
        await page.locator(".message.busy").waitFor({ state: "detached" });
        holds((await body(page, 0)).length > 0, "an answer");
        same(await page.evaluate(() => document.documentElement.scrollWidth), 320, "the width");
        await picture(page, "real-narrow");
    },
    { browser: { viewport: { width: 320, height: 640 }, hasTouch: true, colorScheme: "dark" } },
);

await runAll();
