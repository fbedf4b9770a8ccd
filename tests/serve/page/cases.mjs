// cases.mjs - what a person does with the page, and what a hostile answer does not.
//   node cases.mjs PLAYWRIGHT-CORE CHROMIUM CHAT.html PLAIN.html FOLDER-FOR-SCREENSHOTS
// SPDX-License-Identifier: MIT
import { runAll } from "./drive.mjs";
import "./cases_around.mjs";
import "./cases_talk.mjs";

await runAll();
