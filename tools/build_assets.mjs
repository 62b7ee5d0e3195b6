// Bundles web/assets into web/static/dist: hashed names, a manifest, and .gz and .br beside every file.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, extname, join, resolve } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const source = join(root, "src/dictamesh_sentry/web/assets");
const target = join(root, "src/dictamesh_sentry/web/static/dist");

/** One <symbol> per file of assets/icons; the file's own <svg> element gives the view box and the strokes. */
function sprite() {
  const folder = join(source, "icons");
  const symbols = readdirSync(folder)
    .filter((name) => name.endsWith(".svg"))
    .sort()
    .map((name) => {
      const text = readFileSync(join(folder, name), "utf8").replace(/\s*\n\s*/g, "");
      const [, attributes, body] = /<svg([^>]*)>(.*)<\/svg>/.exec(text);
      return `<symbol id="${basename(name, ".svg")}"${attributes.replace(/ xmlns="[^"]*"/, "")}>${body}</symbol>`;
    });
  return Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);
}

async function bundle(entry) {
  const result = await build({
    entryPoints: [join(source, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: ["es2022", "chrome111", "firefox121", "safari16.4"],
    legalComments: "none",
  });
  return Buffer.from(result.outputFiles[0].contents);
}

const files = {
  "app.css": await bundle("css/app.css"),
  "app.js": await bundle("js/app.js"),
  // What only some pages need.
  "trace.css": await bundle("css/trace.css"),
  "trace.js": await bundle("js/trace.js"),
  "profiling.css": await bundle("css/profiling.css"),
  "profiling.js": await bundle("js/profiling.js"),
  "icons.svg": sprite(),
  "favicon.svg": readFileSync(join(source, "favicon.svg")),
};

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const manifest = { inputs: process.argv[2] ?? "", files: {} };
for (const [name, content] of Object.entries(files)) {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 10);
  const hashed = `${basename(name, extname(name))}.${hash}${extname(name)}`;
  const compressed = gzipSync(content, { level: 9 });
  writeFileSync(join(target, hashed), content);
  writeFileSync(join(target, `${hashed}.gz`), compressed);
  writeFileSync(join(target, `${hashed}.br`), brotliCompressSync(content));
  manifest.files[name] = { path: `dist/${hashed}`, bytes: content.length, gzip: compressed.length };
}
// Last: a manifest means that the build is complete.
writeFileSync(join(target, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
