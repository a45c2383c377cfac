// The page that stands for the store's app: one member, their visit, their offers.

import { el, keyed, say } from "./dom.js";
import { ageText, setUpLanguage, t, timeText, word } from "./i18n.js";
import { Live, showStatus } from "./live.js";

const $ = (id) => document.getElementById(id);
const ref = new URLSearchParams(location.search).get("ref") ?? "";
let member = null;
let missing = false;
let live = null;

function drawVisit() {
  const here = member?.visits.find((visit) => !visit.closed_us);
  const last = member?.visits[0];
  $("visit").dataset.state = here ? "here" : "away";
  keyed($("visit"), member ? [here ? "here" : "away"] : [], (key) => key,
    () => el("div", {}, el("i", { class: "dot", "aria-hidden": "true" }), el("p", {}, el("b"), el("span"))),
    (node) => {
      say(node.querySelector("b"), here ? t("inStore", { store: here.store }) : t("away"));
      const since = here && (here.zone_since_us ?? here.opened_us);
      const age = here && ageText(live.now() - since / 1000);
      const where = here?.zone ?? t("zoneUnknown");
      say(node.querySelector("span"), here ? t("atZone", { zone: where, age })
        : last ? t("lastVisit", { time: timeText(last.closed_us) }) : "");
    });
}

function draw() {
  const offers = (member?.offers ?? []).filter((offer) => offer.status === "decided");
  $("trouble").hidden = Boolean(ref) && !missing;
  say($("trouble"), ref ? t("noMember", { ref }) : t("noRef"));
  say($("greeting"), member ? t("hello", { name: member.name }) : "");
  document.title = member ? `${member.name} – Noren` : "Noren";
  drawVisit();
  keyed($("cards"), offers, (offer) => `${offer.gateway}/${offer.offer_id}`,
    () => el("li", { class: "card" }, el("p", { class: "eyebrow" }), el("h3"), el("p", { class: "copy" }), el("p", { class: "foot" }, el("span"), el("time"))),
    (node, offer) => {
      node.dataset.offer = offer.offer_id;
      say(node.querySelector(".eyebrow"), offer.zone ? t("hereNow", { zone: offer.zone }) : "");
      say(node.querySelector("h3"), offer.name ?? offer.gtin ?? "");
      say(node.querySelector(".copy"), word("template", offer.template));
      say(node.querySelector(".foot span"), offer.campaign ?? "");
      say(node.querySelector("time"), timeText(offer.utc_us));
    });
  $("no-cards").hidden = !member || offers.length > 0;
  showStatus(live, t);
}

function onData(name, json, ok) {
  missing = !ok;
  member = ok ? json : null;
  draw();
}

const url = `/api/members?ref=${encodeURIComponent(ref)}`;
live = new Live({
  // one answer holds all of it; either notice fetches it
  resources: ref ? { members: url, offers: url } : {},
  onData, onStatus: () => live && showStatus(live, t),
});
setUpLanguage(draw);
draw();
setInterval(drawVisit, 1000);
