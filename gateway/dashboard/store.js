// The store's page: keeps what headquarters said last, and draws it.

import { el, keyed, say } from "./dom.js";
import { ageText, setUpLanguage, t, timeText } from "./i18n.js";
import { Live, showStatus } from "./live.js";
import { drawAlerts, drawCommands, drawGateways, drawOffers, drawTicker, drawZones } from "./panels.js";
import { drawFixtures, tallyOf } from "./planogram.js";

const EVENTS_KEPT = 200;
const LOST_AFTER_MS = 20000;

const $ = (id) => document.getElementById(id);
const data = { stores: [], gateways: [], fixtures: [], members: [], offers: [], alerts: [], commands: [] };
let events = [];
let labels = {};
let live = null;

/* --- which store --- */

const chosen = () => new URLSearchParams(location.search).get("store") ?? data.stores[0]?.store;

function ofStore(rows) {
  return rows.filter((row) => row.store === chosen());
}

function drawStores() {
  keyed($("store"), data.stores, (s) => s.store, () => el("option"), (node, s) => {
    node.value = s.store;
    say(node, s.store);
  });
  if (chosen()) $("store").value = chosen();
}

$("store").addEventListener("change", (change) => {
  const to = new URL(location.href);
  to.searchParams.set("store", change.target.value);
  location.assign(to);
});

/* --- drawing --- */

const said = (text) => say($("said"), text);

function drawTally(fixtures) {
  const tally = tallyOf(fixtures);
  const members = ofStore(data.members).filter((one) => one.member_ref).length;
  const items = [["ok", tally.ok, "tallyOk"], ["low", tally.low, "tallyLow"], ["out", tally.out, "tallyOut"],
    ["unknown", tally.unknown, "tallyUnknown"], ["members", members, "tallyMembers"]];
  keyed($("tally"), items, (item) => item[0], () => el("li", {}, el("b"), el("span")), (node, [state, n, key]) => {
    node.dataset.state = state;
    say(node.querySelector("b"), String(n));
    say(node.querySelector("span"), t(key));
  });
}

function drawBanner() {
  const offline = ofStore(data.gateways).filter((g) => g.online === false);
  const silentMs = Date.now() - live.heardMs;
  const banner = $("banner");
  banner.hidden = true;
  if (live.status !== "live" && silentMs > LOST_AFTER_MS) {
    say(banner, t("bannerLost", { age: ageText(silentMs) }));
    banner.hidden = false;
  } else if (offline.length > 0) {
    const since = Math.min(...offline.map((g) => g.online_changed_us));
    say(banner, t("bannerOffline", { gateways: offline.map((g) => g.gateway).join(", "), time: timeText(since) }));
    banner.hidden = false;
  }
}

/** What ages while nothing happens. */
function drawAges() {
  const gateways = new Map(ofStore(data.gateways).map((g) => [g.gateway, g]));
  for (const node of $("fixtures").children) {
    const seen = gateways.get(node.dataset.gateway)?.seen_us;
    say(node.querySelector(".age"), seen ? t("age", { age: ageText(live.now() - seen / 1000) }) : "");
  }
  drawZones($("zones"), ofStore(data.members), ofStore(data.fixtures), ofStore(data.gateways), live.now());
  drawGateways($("gateways"), ofStore(data.gateways), live.now());
  drawCommands($("commands"), ofStore(data.commands));
  drawBanner();
}

function draw() {
  const fixtures = ofStore(data.fixtures);
  const offline = new Set(ofStore(data.gateways).filter((g) => g.online === false).map((g) => g.gateway));
  const names = new Map(fixtures.flatMap((f) => f.plates.flatMap((p) => p.facings.map((one) => [one.gtin, one.name]))));
  drawStores();
  drawTally(fixtures);
  drawFixtures($("fixtures"), fixtures, (gateway) => offline.has(gateway), said);
  $("no-fixtures").hidden = fixtures.length > 0;
  drawAlerts($("alerts"), ofStore(data.alerts));
  drawOffers($("offers"), ofStore(data.offers));
  drawTicker($("ticker"), ofStore(events), labels, names);
  drawAges();
  showStatus(live, t);
}

/* --- data --- */

function onData(name, json, ok) {
  if (!ok) return;
  if (name === "events") events = json;
  else if (name === "labels") labels = json;
  else data[name] = json;
  // a new gateway may be a new store; stores have no notice of their own
  if (name === "gateways") live.refresh(["stores", "commands"]);
  draw();
}

function onEvent(row) {
  if (row.id <= (events.at(-1)?.id ?? 0)) return;
  events = [...events.slice(1 - EVENTS_KEPT), row];
  const gateway = data.gateways.find((g) => g.store === row.store && g.gateway === row.gateway);
  if (gateway) gateway.seen_us = Math.max(gateway.seen_us ?? 0, row.received_us);
  draw();
}

live = new Live({
  resources: {
    labels: "/api/event-types", stores: "/api/stores", gateways: "/api/gateways", fixtures: "/api/fixtures",
    members: "/api/members", offers: "/api/offers", alerts: "/api/alerts", commands: "/api/commands", events: `/api/events?limit=${EVENTS_KEPT}`,
  },
  onData, onEvent, onStatus: () => live && (showStatus(live, t), live.refresh(["gateways"])),
});
setUpLanguage(draw);
setInterval(drawAges, 1000);
