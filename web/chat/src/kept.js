// kept.js - small things that the browser keeps: for good, or as long as the tab.  A browser that
// keeps nothing is no error: they last as long as the page.  SPDX-License-Identifier: MIT
function keeper(area) {
    const here = new Map();
    const tried = (f, otherwise) => {
        try {
            return f();
        } catch {
            // storage is blocked, or full
            return otherwise;
        }
    };
    return {
        get: name => here.get(name) ?? tried(() => window[area].getItem(`chalcis.${name}`), null),
        set(name, value) {
            here.set(name, value);
            tried(() => window[area].setItem(`chalcis.${name}`, value));
        },
        drop(name) {
            here.delete(name);
            tried(() => window[area].removeItem(`chalcis.${name}`));
        },
    };
}

export const forGood = keeper("localStorage");
export const forTab = keeper("sessionStorage");
