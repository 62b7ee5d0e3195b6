import htmx from "htmx.org";
import { Idiomorph } from "idiomorph";
import { startBulk } from "./bulk.js";
import { startChrome } from "./chrome.js";
import { startCompletion } from "./complete.js";
import { startKeys } from "./keys.js";
import { startModal } from "./modal.js";
import { startPalette } from "./palette.js";
import { startTimes } from "./time.js";

htmx.defineExtension("morph", {
  isInlineSwap: (style) => style === "morph" || style === "morph:outerHTML",
  handleSwap(style, target, fragment) {
    if (!style.startsWith("morph")) return false;
    const morphStyle = style === "morph:innerHTML" ? "innerHTML" : "outerHTML";
    return Idiomorph.morph(target, fragment.children, {
      morphStyle,
      callbacks: {
        // What the reader unfolded stays unfolded; menus close.
        beforeAttributeUpdated: (name, node) => !(name === "open" && node.matches("details:not(.menu)")),
      },
    });
  },
});

startChrome();
startBulk();
startModal();
startCompletion();
startPalette();
startKeys();
startTimes();
