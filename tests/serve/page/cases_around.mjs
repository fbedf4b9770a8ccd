// cases_around.mjs - looks and keys, hostile answers and servers, the page without npm.
// SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { body, holds, picture, same, say, settled, source, test, type } from "./drive.mjs";

test(
    "dark, by the system and by the switch",
    async page => {
        const shade = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        same(await shade(), "rgb(23, 22, 20)", "by the system");
        await say(page, "fox");
        await page.click("#theme");
        same(await shade(), "rgb(251, 250, 247)", "light");
        await page.click("#theme");
        same(await shade(), "rgb(23, 22, 20)", "dark");
        await page.reload();
        same(await page.getAttribute("#theme", "aria-label"), "Theme: dark", "kept");
        await picture(page, "dark");
        await page.locator("#view input[value=sure]").check();
        await page.locator(".tok").nth(9).hover();
        await picture(page, "tokens-dark");
    },
    { browser: { colorScheme: "dark" } },
);

test(
    "320 pixels are enough",
    async page => {
        await page.fill("#text", "fox");
        await page.click("#send"); // Enter breaks the line where there are no keys
        await page.locator(".message.busy").waitFor({ state: "detached" });
        const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
        same(await wide(), 320, "the width");
        await picture(page, "narrow");
        same(await page.locator("#side").isVisible(), false, "the drawer");
        await page.click("#menu");
        await page.locator("#list .open").first().waitFor();
        await page.waitForTimeout(250);
        await picture(page, "narrow-list");
        await page.keyboard.press("Escape");
        await page.locator("#side").waitFor({ state: "hidden" });
        await page.locator("#view input[value=sure]").check();
        await page.locator(".tok").nth(12).click();
        const box = await page.locator("#tip").boundingBox();
        holds(box.x >= 0 && box.x + box.width <= 320, "the popover is on the screen");
        await picture(page, "narrow-tokens");
        await page.click("#settings-open");
        await picture(page, "narrow-settings");
        same(await wide(), 320, "the width in the end");
    },
    { browser: { viewport: { width: 320, height: 640 }, hasTouch: true } },
);

test("a hostile answer does nothing", async page => {
    await say(page, "attack");
    await page.waitForTimeout(200);
    same(await page.evaluate(() => window.hurt), undefined, "a script of the answer's");
    same(
        await page
            .locator(
                ".body :is(script, img, style, iframe, :not(button) > svg, [onerror], [style], [id])",
            )
            .count(),
        0,
        "elements of the answer's",
    );
    same(
        await page.locator(".body .prose a[href]").evaluateAll(all => all.map(a => a.href)),
        ["https://elsewhere.example/spy.png"],
        "addresses",
    );
    holds(
        (await body(page, 0)).includes("<script>window.hurt = 1</script>"),
        "it is shown as text",
    );
    await page.locator("#view input[value=sure]").check();
    same(await page.locator(".body script").count(), 0, "as tokens");
    await page.reload();
    same(await page.evaluate(() => window.hurt), undefined, "after a reload");
});

test("an answer that is nested too deeply is shown as it is", async page => {
    await say(page, "deep");
    holds((await body(page, 0)).startsWith(">".repeat(100)), "as text");
    await say(page, "fox");
    same(await page.locator(".prose li").count(), 2, "the next answer");
});

test("a browser that keeps nothing", async page => {
    await page.addInitScript(() => {
        for (const name of ["localStorage", "sessionStorage", "indexedDB"])
            Object.defineProperty(window, name, {
                get() {
                    throw new DOMException("blocked", "SecurityError");
                },
            });
    });
    await page.reload();
    await page.getByText("This browser keeps no conversations").waitFor();
    await say(page, "First talk");
    await page.click("#new");
    await say(page, "Second talk");
    await page.getByRole("button", { name: "First talk", exact: true }).click();
    await page.getByText("You said: First talk (answer 1)").waitFor();
    await page.click("#theme");
});

test("a hostile title or message does nothing", async page => {
    const bad = "<img src=x onerror=window.hurt=1><script>window.hurt=2</script>";
    await say(page, bad);
    same(await page.locator(".user .body").innerText(), bad, "the message");
    same(await page.locator("#list .open").innerText(), bad.slice(0, 59) + "…", "the title");
    same(await page.evaluate(() => window.hurt), undefined, "hurt");
});

test("what goes wrong is told", async page => {
    await say(page, "busy");
    same(
        await page.locator(".note.error").innerText(),
        "All places are taken. It asks to try again in 3 s.",
        "503",
    );
    await page.click("#new");
    await say(page, "broken");
    same(
        await page.locator(".note.error").innerText(),
        "The model has run out of pages.",
        "an error event",
    );
    same(await body(page, 0), "Half an answer", "what came before");
    await page.click("#new");
    await say(page, "lost");
    holds(/connection/.test(await page.locator(".note.error").innerText()), "a lost connection");
});

test(
    "a server that wants a key is given it once a tab",
    async (page, { asked }) => {
        await page.locator("#key[open]").waitFor();
        await page.fill("#key-text", "wrong");
        await page.keyboard.press("Enter");
        await page.fill("#key-text", "sesame");
        await page.keyboard.press("Enter");
        await page.locator("#key").waitFor({ state: "hidden" });
        await say(page, "Hello");
        same((await asked()).length, 1, "requests that came through");
        await page.reload();
        await say(page, "Once more");
        same(await page.locator("#key[open]").count(), 0, "asked again");
        same(
            await page.evaluate(() => JSON.stringify(localStorage).includes("sesame")),
            false,
            "kept for good",
        );
    },
    { key: "sesame" },
);

test("the server's load is shown", async page => {
    await type(page, "long");
    await page.locator("#load.busy").waitFor();
    await page.waitForFunction(
        () =>
            /1 answering · [1-9]\d* tokens\/s/.test(
                document.querySelector("#load-text").textContent,
            ),
        null,
        { timeout: 8000 },
    );
    await page.click("#load summary");
    const text = await page.locator("#load-all").innerText();
    for (const part of ["4\u202f100 of 16\u202f384", "37.3 %", "65.0 %"])
        holds(text.includes(part), `${part}: ${text}`);
    await picture(page, "load");
    await page.click("#stop");
    await page.locator("#load.idle").waitFor();
});

test("the keyboard alone is enough, and everything has a name", async page => {
    await page.locator("#model").waitFor();
    await page.keyboard.type("Hello");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("you");
    await page.keyboard.press("Enter");
    await settled(page);
    same(await page.locator(".user .body").innerText(), "Hello\nyou", "two lines");
    const reached = new Set();
    for (let i = 0; i < 40; i++) {
        await page.keyboard.press("Tab");
        reached.add(
            await page.evaluate(() => {
                const e = document.activeElement;
                return e.id || e.name || e.getAttribute("aria-label") || e.tagName;
            }),
        );
    }
    for (const wanted of [
        "new",
        "find",
        "import",
        "export",
        "view",
        "settings-open",
        "theme",
        "Copy",
        "Edit",
        "Answer again",
        "text",
        "send",
        "SUMMARY",
        "model",
    ])
        holds(reached.has(wanted), `${wanted} is not reached: ${[...reached]}`);
    const nameless = await page.evaluate(() =>
        [...document.querySelectorAll("button, input, select, textarea")]
            .filter(e => !e.getAttribute("aria-label") && !e.innerText.trim() && !e.labels?.length)
            .map(e => e.outerHTML),
    );
    same(nameless, [], "without a name");
});

test(
    "the page without npm: an answer streams, and stops",
    async (page, { asked }) => {
        await page.fill("#text", "Hello");
        await page.keyboard.press("Enter");
        await page.getByText("You said: Hello (answer 1)").waitFor();
        await page.fill("#text", "attack");
        await page.keyboard.press("Enter");
        await page.getByText("clobber</a>").waitFor();
        await page.locator("#send:enabled").waitFor();
        same(await page.locator("#key").isVisible(), false, "a key that nobody wants");
        same((await asked())[1].messages.length, 3, "the conversation goes along");
        await page.fill("#text", "long");
        await page.keyboard.press("Enter");
        await page.getByText("tick tock tick").waitFor();
        await page.click("#stop");
        await page.getByText("(stopped)").waitFor();
        same(await page.evaluate(() => window.hurt), undefined, "hurt");
        await picture(page, "plain");
    },
    { plain: true },
);

test(
    "the page without npm asks for a key",
    async page => {
        await page.fill("#text", "Hello");
        await page.keyboard.press("Enter");
        await page.getByText("The key is missing").waitFor();
        await page.fill("#key", "sesame");
        await page.fill("#text", "Hello");
        await page.locator("#text").press("Enter");
        await page.getByText("You said: Hello").waitFor();
    },
    { plain: true, key: "sesame" },
);

test("sizes and policies", async () => {
    for (const [kind, largest] of [
        ["chat", 150_000],
        ["plain", 6000],
    ]) {
        const text = source(kind),
            size = Buffer.byteLength(text);
        holds(size < largest, `${kind}: ${size} bytes`);
        const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(text)[1];
        holds(policy.includes("default-src 'none'") && !policy.includes("unsafe"), policy);
        const script = text.slice(text.lastIndexOf("<script>") + 8, text.lastIndexOf("</script>"));
        holds(
            policy.includes(createHash("sha256").update(script).digest("base64")),
            `${kind}: the script's hash`,
        );
        holds(
            !/<[^>]* (on\w+|style)=/.test(text.replace(/<script>[^]*<\/script>/, "")),
            `${kind}: inline handlers`,
        );
    }
});
