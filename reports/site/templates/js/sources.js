// The origin of everything: stores, commands, versions, what is missing, files for papers.
function sourcesPage(page) {
  const data = site();
  add(page, h("h1", { tabindex: "-1" }, "Sources and files"),
    progressBar(data.counts),
    data.sources.map((source) => h("section", {}, h("h2", {}, source.name),
      factsList([source.folder && ["Folder", source.folder], ["Created", source.created], ["Code revision", source.revision], source.header && ["Header", h("a", { href: source.header }, "sweep.yaml")], ["Versions", Object.entries(source.versions).map(([name, version]) => `${name} ${version}`).join(", ")]].filter(Boolean)),
      h("h3", {}, plural(source.commands.length, "command")),
      source.commands.map(({ text, time }) => h("div", {}, commandBlock(text), h("p", { class: "fine" }, time))))),
    data.devices.length ? h("p", { class: "fine" }, `Made on ${data.devices.join(", ")}.`) : null,
    listSection("Warnings", data.warnings.map((text) => h("li", {}, text)), "None: every file could be read."),
    listSection("Conflicts", data.conflicts.map((conflict) => h("li", {}, h("a", { href: href("video", { id: conflict.unit_id }) }, conflict.unit_id), `: ${conflictWords(conflict)}`)), data.sources.length > 1 ? "None: units in several stores have the same bytes." : "None: there is one store."),
    listSection("Failed and missing", data.failures.map((unit) => h("li", {}, h("strong", {}, unit.method), ` on ${unit.backbone}, prompt ${unit.prompt_id}, seed ${unit.seed} `, h("span", { class: `status ${unit.status}` }, unit.status), h("br", {}), h("code", {}, unit.reason), " ", fileLink(unit.file, unit.file?.split("/").at(-1) ?? ""))), "None."),
    data.ablations.length ? listSection("Comparisons of experiments", data.ablations.map(({ name, address }) => h("li", {}, h("a", { href: address }, name)))) : null,
    h("section", { id: "files" }, h("h2", {}, "Files for papers"), h("p", { class: "fine" }, "LaTeX needs the package booktabs. Parquet and CSV hold full precision."), fileGroups(data.files)));
  return null;
}

const conflictWords = ({ versions }) => `${versions.map(({ store, sha256, device }) => `${store} has ${sha256.slice(0, 12)}, made on ${device}`).join("; ")}. The first is shown.`;

function listSection(title, items, nothing) {
  return h("section", {}, h("h2", {}, title), items.length ? h("ul", { class: "list" }, items) : h("p", { class: "fine" }, nothing));
}

const FILE_GROUPS = [["LaTeX", /\.tex$/], ["Markdown", /\.md$/], ["CSV", /\.csv$/], ["Parquet", /\.parquet$/], ["VBench results", /_eval_results\.json$/], ["Figures, SVG", /\.svg$/], ["Figures, PDF", /\.pdf$/], ["Figures, PNG", /\.png$/]];

function fileGroups(files) {
  return h("div", { class: "file-groups" }, FILE_GROUPS.map(([title, pattern]) => {
    const found = files.filter(({ name }) => pattern.test(name));
    return found.length ? h("div", {}, h("h3", {}, title), h("ul", { class: "list" }, found.map(({ name, address }) => h("li", {}, h("a", { href: address }, name))))) : null;
  }));
}
