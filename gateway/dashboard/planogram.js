// The shelves: fixture -> plates -> facings. What is unknown never shows a number: a hatched place with the
// reason is honest, yesterday's count is not.

import { el, keyed, say } from "./dom.js";
import { t, word } from "./i18n.js";

/** ok, low, out or unknown. */
export function stateOf(plate, facing) {
  if (plate.sensor !== "ok" && plate.sensor !== "settling") return "unknown";
  if (!Number.isInteger(facing.on_shelf)) return "unknown";
  if (facing.on_shelf <= 0) return "out";
  return facing.on_shelf < (facing.min ?? 0) ? "low" : "ok";
}

function makeFacing() {
  return el("li", { class: "facing" },
    el("p", { class: "name" }),
    el("p", { class: "amount" }, el("b", { class: "count" }), el("span", { class: "capacity" })),
    el("div", { class: "level", "aria-hidden": "true" }, el("i", { class: "fill" }), el("i", { class: "min" })),
    el("p", { class: "foot" }, el("span", { class: "state" }), el("span", { class: "atp" })));
}

/** `said(text)` is told about every change of a count that was shown before. */
function updateFacing(node, { plate, facing }, said) {
  const state = stateOf(plate, facing);
  const text = state === "unknown" ? "—" : String(facing.on_shelf);
  const count = node.querySelector(".count");
  const name = facing.name || facing.gtin;
  if (count.textContent !== "" && count.textContent !== text) {
    const up = Number(text) > Number(count.textContent);
    node.classList.remove("up", "down");
    void node.offsetWidth; // restarts the animation
    node.classList.add(up ? "up" : "down");
    said(state === "unknown" ? t("saidUnknown", { name }) : t("said", { name, count: text }));
  }
  Object.assign(node.dataset, { state, gtin: facing.gtin, plate: plate.plate });
  say(node.querySelector(".name"), name);
  node.querySelector(".name").title = `${name}\nGTIN ${facing.gtin}`;
  say(count, text);
  say(node.querySelector(".capacity"), facing.capacity ? t("ofCapacity", { n: facing.capacity }) : "");
  const share = (n) => (facing.capacity > 0 ? Math.min(100, Math.max(0, (100 * n) / facing.capacity)) : 0);
  node.querySelector(".fill").style.inlineSize = state === "unknown" ? "0" : `${share(facing.on_shelf)}%`;
  node.querySelector(".min").style.insetInlineStart = `${share(facing.min ?? 0)}%`;
  node.querySelector(".min").hidden = !facing.min || state === "unknown";
  const why = plate.sensor !== "ok" ? word("sensor", plate.sensor) : "";
  say(node.querySelector(".state"), state === "unknown" && why ? `${t("unknown")} · ${why}` : t(state));
  const atp = Number.isInteger(facing.atp) ? t(facing.atp_lower_bound ? "atpAtLeast" : "atp", { n: facing.atp }) : "";
  say(node.querySelector(".atp"), atp);
}

function updatePlate(node, plate, said) {
  keyed(node.querySelector(".facings"), (plate.facings ?? []).map((facing) => ({ plate, facing })),
    (item) => item.facing.gtin, makeFacing, (child, item) => updateFacing(child, item, said));
  say(node.querySelector(".board .id"), plate.plate);
  say(node.querySelector(".board .zone"), plate.zone ? t("zone", { zone: plate.zone }) : "");
}

const makePlate = () =>
  el("li", { class: "plate" }, el("ul", { class: "facings" }),
    el("p", { class: "board" }, el("span", { class: "id" }), el("span", { class: "zone" })));

const makeFixture = () =>
  el("article", { class: "fixture" },
    el("header", {}, el("h2", {}), el("span", { class: "quiet age" })), el("ul", { class: "plates" }));

/** Draws all fixtures. `isStale(gateway)` says whose numbers are old; `said` hears changes. */
export function drawFixtures(parent, fixtures, isStale, said) {
  keyed(parent, fixtures, (fixture) => `${fixture.gateway}/${fixture.fixture}`, makeFixture, (node, fixture) => {
    say(node.querySelector("h2"), fixture.fixture);
    node.dataset.gateway = fixture.gateway;
    node.classList.toggle("stale", isStale(fixture.gateway));
    keyed(node.querySelector(".plates"), fixture.plates ?? [], (plate) => plate.plate, makePlate,
      (child, plate) => updatePlate(child, plate, said));
  });
}

/** How many facings are in each state. */
export function tallyOf(fixtures) {
  const tally = { ok: 0, low: 0, out: 0, unknown: 0 };
  for (const fixture of fixtures)
    for (const plate of fixture.plates ?? [])
      for (const facing of plate.facings ?? []) tally[stateOf(plate, facing)]++;
  return tally;
}
