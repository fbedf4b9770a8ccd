// build.mjs - index.html, style.css and src/ become dist/chat.html: one file that asks for nothing
// else.  Its Content-Security-Policy allows this script and this style by their hashes, so that a
// server need not know them.  SPDX-License-Identifier: MIT
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const LARGEST = 150_000;
const here = dirname(fileURLToPath(import.meta.url));

async function bundle(entry) {
    const made = await build({
        entryPoints: [join(here, entry)],
        bundle: true,
        minify: true,
        write: false,
        format: "iife",
        target: ["chrome123", "firefox128", "safari17.5"],
        legalComments: "inline",
        logLevel: "warning",
    });
    return made.outputFiles[0].text.trim();
}

// Inside <script>, a "<!--" that is followed by "<script" would swallow the end of the element;
// both stand in strings and expressions only, where \x3C is the same character.
const script = (await bundle("src/main.js")).replace(/<(?=!--|\/?script)/gi, "\\x3C");
const style = (await bundle("style.css")).replace(/<\/(?=style)/gi, "<\\/");
const hash = text => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const policy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "connect-src 'self'",
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types dompurify",
].join("; ");

const page = readFileSync(join(here, "index.html"), "utf8")
    .replace("@POLICY@", () => policy)
    .replace("@STYLE@", () => style)
    .replace("@SCRIPT@", () => script);
const size = Buffer.byteLength(page);
if (page.includes("\r") || size > LARGEST) {
    console.error(`chat.html: ${size} bytes, allowed ${LARGEST}, without carriage returns`);
    process.exit(1);
}
mkdirSync(join(here, "dist"), { recursive: true });
writeFileSync(join(here, "dist/chat.html.new"), page);
renameSync(join(here, "dist/chat.html.new"), join(here, "dist/chat.html"));
console.log(`chat.html: ${size} bytes`);
