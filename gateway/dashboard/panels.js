// The side panels: members by zone, alerts, offers, recent events, gateways, commands.

import { el, keyed, say } from "./dom.js";
import { ageText, lang, t, timeText, word } from "./i18n.js";

const line = (...parts) => el("li", {}, el("span", { class: "what" }, ...parts), el("time", {}));

/** Shows one quiet line when a list is empty. */
function orEmpty(parent, items, text) {
  let empty = parent.querySelector(":scope > .nothing");
  if (items.length > 0) return empty?.remove();
  if (!empty) {
    empty = el("li", { class: "nothing" });
    parent.replaceChildren(empty);
  }
  say(empty, text);
}

/** Zones in the order of the plan, then any other, then those whose zone is not known. */
export function drawZones(parent, present, fixtures, gateways, nowMs) {
  const unknown = new Map(gateways.flatMap((g) => g.occupancy?.zones ?? []).map((one) => [one.zone, one.unknown]));
  const zones = new Map();
  for (const fixture of fixtures) for (const plate of fixture.plates ?? []) if (plate.zone) zones.set(plate.zone, []);
  const members = present.filter((one) => one.member_ref);
  for (const one of members.filter((m) => m.zone)) zones.set(one.zone, [...(zones.get(one.zone) ?? []), one]);
  const rows = [...zones].map(([zone, list]) => ({ zone, list }));
  const nowhere = members.filter((one) => !one.zone);
  if (nowhere.length > 0) rows.push({ zone: "", list: nowhere });
  keyed(parent, rows, (row) => row.zone,
    () => el("div", { class: "zone" }, el("dt", {}, el("span"), el("small", { class: "quiet" }), el("b")), el("dd")),
    (node, row) => {
      node.dataset.zone = row.zone;
      say(node.querySelector("dt span"), row.zone || t("zoneUnknown"));
      say(node.querySelector("dt b"), String(row.list.length));
      say(node.querySelector("dt small"), unknown.get(row.zone) ? t("unknownPhones", { n: unknown.get(row.zone) }) : "");
      const dd = node.querySelector("dd");
      if (row.list.length === 0) return dd.replaceChildren(el("span", { class: "quiet" }, t("nobody")));
      dd.querySelector(":scope > span.quiet")?.remove();
      keyed(dd, row.list, (one) => one.member_ref,
        (one) => el("a", { class: "member", href: `member.html?ref=${encodeURIComponent(one.member_ref)}` }, el("span"), el("small")),
        (child, one) => {
          say(child.querySelector("span"), one.member_ref);
          say(child.querySelector("small"), ageText(nowMs - (one.zone_since_us ?? one.opened_us ?? 0) / 1000));
        });
    });
}

export function drawAlerts(parent, alerts) {
  orEmpty(parent, alerts, t("noAlerts"));
  if (alerts.length === 0) return;
  keyed(parent, alerts.slice(0, 8), (a) => `${a.gateway}/${a.alert_id}`, () => line(el("b"), el("span", { class: "quiet" })),
    (node, a) => {
      node.className = `alert ${a.cleared_us ? "cleared" : a.severity ?? "warning"}`;
      say(node.querySelector("b"), word("alert", a.kind));
      say(node.querySelector(".quiet"), a.cleared_us ? `${a.subject ?? ""} · ${t("cleared")}` : a.subject ?? "");
      say(node.querySelector("time"), timeText(a.cleared_us ?? a.raised_us));
    });
}

export function drawOffers(parent, offers) {
  orEmpty(parent, offers, t("noOffers"));
  if (offers.length === 0) return;
  keyed(parent, offers.slice(0, 8), (o) => `${o.gateway}/${o.offer_id}`,
    () => line(el("b"), el("em", { class: "tag" }), el("span", { class: "quiet" })),
    (node, o) => {
      node.className = `offer ${o.status}`;
      Object.assign(node.dataset, { status: o.status, reason: o.reason ?? "", who: o.who ?? "" });
      say(node.querySelector("b"), o.name ?? o.gtin ?? o.campaign);
      say(node.querySelector(".tag"), t(o.status));
      const who = t("for", { who: o.who ?? "" });
      say(node.querySelector(".quiet"), o.status === "suppressed" ? `${who} · ${word("reason", o.reason)}` : `${who} · ${o.campaign}`);
      say(node.querySelector("time"), timeText(o.utc_us));
    });
}

/** Stages of one shelf change, and repeated steps of one story, are one line: the newest. */
export function foldEvents(rows) {
  const lines = new Map();
  for (const row of rows) {
    if (!/^noren\.(shelf|visit|offer|alert|sensor)\./.test(row.type)) continue;
    const change = row.event.data?.change_id;
    const key = change ? `${row.gateway}/${change}` : `#${row.id}`;
    lines.delete(key);
    lines.set(key, row);
  }
  return [...lines].map(([key, row]) => ({ key, row })).reverse();
}

function storyOf(row, names) {
  const data = row.event.data ?? {};
  const product = names.get(data.gtin) ?? data.gtin;
  if (row.type.startsWith("noren.shelf."))
    return [product && `${product}${data.quantity > 1 ? ` × ${data.quantity}` : ""}`, data.plate];
  if (row.type.startsWith("noren.offer.")) return [data.member_ref, product];
  if (row.type.startsWith("noren.visit.")) return [data.member_ref ?? data.tag, data.zone];
  return [data.subject ?? data.plate, data.kind && word("alert", data.kind)];
}

export function drawTicker(parent, rows, labels, names) {
  const lines = foldEvents(rows).slice(0, 12);
  orEmpty(parent, lines, t("noEvents"));
  if (lines.length === 0) return;
  keyed(parent, lines, (one) => one.key, () => line(el("b"), el("em", { class: "tag" }), el("span", { class: "quiet" })),
    (node, { row }) => {
      const stage = row.event.data?.stage;
      node.className = `event ${row.class}`;
      Object.assign(node.dataset, { type: row.type, stage: stage ?? "" });
      say(node.querySelector("b"), labels[row.type]?.[lang] ?? row.type.replace("noren.", ""));
      const tag = node.querySelector(".tag");
      tag.hidden = !stage || stage === "settled";
      say(tag, tag.hidden ? "" : t(stage));
      say(node.querySelector(".quiet"), storyOf(row, names).filter(Boolean).join(" · "));
      say(node.querySelector("time"), timeText(row.utc_us ?? row.received_us));
    });
}

export function drawGateways(parent, gateways, nowMs) {
  orEmpty(parent, gateways, t("noGateways"));
  if (gateways.length === 0) return;
  keyed(parent, gateways, (g) => g.gateway, () => line(el("i", { class: "dot", "aria-hidden": "true" }), el("b"), el("span", { class: "quiet" }), el("span", { class: "refused" })),
    (node, g) => {
      node.className = "gateway";
      node.dataset.online = g.online === null ? "unknown" : String(g.online);
      say(node.querySelector("b"), g.gateway);
      const state = g.online === null ? t("neverOnline") : t(g.online ? "online" : "offline");
      say(node.querySelector(".quiet"), `${state}${g.birth?.version ? ` · v${g.birth.version}` : ""}`);
      // a bundle that the gateway did not take, and why; what it took needs no words
      const refused = Object.entries(g.desired ?? {}).filter(([, b]) => b.refused);
      say(node.querySelector(".refused"), refused.map(([name, b]) => `${t("bundleRefused", { name })}: ${b.refused.error}`).join(" · "));
      say(node.querySelector("time"), g.seen_us ? t("age", { age: ageText(nowMs - g.seen_us / 1000) }) : "");
    });
}

export function drawCommands(parent, commands) {
  orEmpty(parent, commands, t("noCommands"));
  if (commands.length === 0) return;
  keyed(parent, commands.slice(0, 8), (c) => c.id, () => line(el("b"), el("em", { class: "tag" }), el("span", { class: "quiet" })),
    (node, c) => {
      node.className = `command ${c.status}`;
      say(node.querySelector("b"), c.name);
      say(node.querySelector(".tag"), t(`command_${c.status}`));
      say(node.querySelector(".quiet"), [c.gateway, c.actor, c.answer?.error].filter(Boolean).join(" · "));
      say(node.querySelector("time"), timeText(c.answered_us ?? c.issued_us));
    });
}
