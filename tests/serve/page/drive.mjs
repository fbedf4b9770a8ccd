// drive.mjs - the page in a real browser against the mock, or where CHAT.html is an address against
// the server there; TAP on standard output.  What a case wants of the page, and how cases are run
// (cases.mjs, real.mjs).
// SPDX-License-Identifier: MIT
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [library, chromium, chat, plain, pictures] = process.argv.slice(2);
const { chromium: engine } = createRequire(import.meta.url)(library);
const here = dirname(fileURLToPath(import.meta.url));
const cases = [];
export const test = (name, run, options = {}) => cases.push({ name, run, options });
export const picture = (page, name) => page.screenshot({ path: join(pictures, `${name}.png`) });
export function same(found, wanted, what) {
    const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (a !== b) throw new Error(`${what}: ${a}, wanted ${b}`);
}
export function holds(condition, what) {
    if (!condition) throw new Error(what);
}

export const answers = page => page.locator(".message.assistant");
export const settled = page => page.locator("#send").waitFor({ state: "visible" });
export async function type(page, text) {
    await page.fill("#text", text);
    await page.keyboard.press("Enter");
}
export async function say(page, text) {
    await type(page, text);
    await settled(page);
}
export const body = async (page, i) =>
    (await answers(page).nth(i).locator(".body").innerText()).trim();

function serve(...args) {
    const child = spawn(process.execPath, [join(here, "mock.mjs"), ...args], {
        stdio: ["ignore", "pipe", "inherit"],
    });
    return new Promise(done =>
        child.stdout.once("data", text => done({ child, at: String(text).trim() })),
    );
}

// A page that reports what it must never do: an error, a refused script, a request to elsewhere.
async function guarded(browser, at, options) {
    const context = await browser.newContext({
        viewport: { width: 1100, height: 760 },
        locale: "en-GB",
        ...options,
    });
    const page = await context.newPage(),
        bad = [];
    page.setDefaultTimeout(30000);
    page.on("pageerror", e => bad.push(`error: ${e.message}`));
    page.on(
        "console",
        m => /Content.Security.Policy|Trusted/i.test(m.text()) && bad.push(m.text()),
    );
    const ours = url => /^(data|blob):/.test(url) || url.startsWith(at);
    context.on("request", r => ours(r.url()) || bad.push(`asked ${r.url()}`));
    await page.addInitScript(() =>
        document.addEventListener("securitypolicyviolation", e => {
            console.error(`Content-Security-Policy: ${e.violatedDirective} ${e.blockedURI}`);
        }),
    );
    return { context, page, bad };
}

async function run(browser, one, i) {
    const server = chat.startsWith("http://")
        ? { at: chat }
        : await serve(
              one.options.plain ? plain : chat,
              "0",
              ...(one.options.key ? [one.options.key] : []),
          );
    const { context, page, bad } = await guarded(browser, server.at, one.options.browser);
    try {
        await page.goto(server.at);
        await one.run(page, {
            at: server.at,
            context,
            asked: async () => (await fetch(`${server.at}asked`)).json(),
        });
        holds(!bad.length, bad.join("; "));
        console.log(`ok ${i} - ${one.name}`);
    } catch (e) {
        console.log(
            `not ok ${i} - ${one.name}\n${e.stack.replace(/^/gm, "# ")}\n# ${bad.join("; ")}`,
        );
        await picture(page, `failed-${i}`).catch(() => {});
    }
    await context.close();
    server.child?.kill();
}

export async function runAll() {
    mkdirSync(pictures, { recursive: true });
    const only = process.env.CASE,
        browser = await engine.launch({
            executablePath: chromium,
            args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        });
    const chosen = cases.filter(c => !only || c.name.includes(only));
    console.log(`1..${chosen.length}`);
    for (const [i, one] of chosen.entries()) await run(browser, one, i + 1);
    await browser.close();
}
export const source = kind => readFileSync(kind === "plain" ? plain : chat, "utf8");
