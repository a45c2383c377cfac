// Japanese and English. Labels of event types come from the event table (/api/event-types); this dictionary
// holds only the pages' own words. A missing word shows its key, which a test would notice.

const WORDS = {
  en: {
    skip: "Skip to the shelves", store: "Store", shelves: "Shelves", zones: "Members by zone", offers: "Offers",
    alerts: "Alerts", ticker: "Recent events", gateways: "Gateways",
    commands: "Commands to gateways", noCommands: "No command was given yet.", bundleRefused: "{name} refused",
    command_sent: "waiting", command_done: "done", command_refused: "refused", command_expired: "expired",
    ok: "In stock", low: "Low", out: "Out of stock", unknown: "Unknown",
    "sensor.fault": "sensor fault", "sensor.uncalibrated": "not calibrated", "sensor.settling": "settling", "sensor.none": "no scale",
    ofCapacity: "of {n}", atp: "ATP {n}", atpAtLeast: "ATP ≥ {n}", zone: "Zone {zone}", zoneUnknown: "Zone unknown",
    noFixtures: "No shelves yet. They appear as soon as a gateway of this store reports.",
    unknownPhones: "and {n} unknown phones", nobody: "nobody", noAlerts: "All quiet.", noOffers: "No offers yet.", noEvents: "Nothing happened yet.",
    noGateways: "No gateway has reported yet.",
    decided: "sent", suppressed: "suppressed", for: "to {who}",
    online: "online", offline: "offline", neverOnline: "not heard of", age: "data {age} old",
    connecting: "connecting", live: "live", reconnecting: "reconnecting", brokerDown: "broker unreachable",
    bannerOffline: "Gateway {gateways} is offline since {time}. Counts below are the last it reported.",
    bannerLost: "No connection to headquarters. Everything below is {age} old.",
    provisional: "provisional", retracted: "retracted", cleared: "cleared",
    tallyOk: "in stock", tallyLow: "low", tallyOut: "out", tallyUnknown: "unknown", tallyMembers: "here now (members)",
    said: "{name}: {count}", saidUnknown: "{name}: unknown",
    hello: "Hello, {name}", inStore: "You are in {store}", atZone: "{zone} · for {age}", away: "You are not in a store now",
    lastVisit: "Last visit {time}", yourOffers: "Offers for you",
    noCards: "Nothing right now. Walk up to a shelf you like.", standsForApp: "This page stands for the store's app.",
    noRef: "Open this page with ?ref=MEMBER.", noMember: "Headquarters does not know {ref}.", hereNow: "Here now · {zone}",
    "reason.out_of_stock": "out of stock", "reason.shelf_empty": "shelf empty", "reason.holdout": "control group", "reason.no_consent": "no consent",
    "reason.cap_visit": "already got one this visit", "reason.campaign_inactive": "outside campaign hours",
    "reason.cooldown": "had one lately", "reason.clock_unknown": "time unknown",
  },
  ja: {
    skip: "棚へ移動", store: "店舗", shelves: "棚", zones: "ゾーン別の会員", offers: "オファー",
    alerts: "アラート", ticker: "最近の動き", gateways: "ゲートウェイ",
    commands: "ゲートウェイへの指示", noCommands: "指示はまだありません。", bundleRefused: "{name} は拒否されました",
    command_sent: "応答待ち", command_done: "完了", command_refused: "拒否", command_expired: "期限切れ",
    ok: "在庫あり", low: "残りわずか", out: "品切れ", unknown: "不明",
    "sensor.fault": "センサー異常", "sensor.uncalibrated": "未校正", "sensor.settling": "計量中", "sensor.none": "計量なし",
    ofCapacity: "/ {n}", atp: "引当可能 {n}", atpAtLeast: "引当可能 {n} 以上", zone: "ゾーン {zone}", zoneUnknown: "ゾーン不明",
    noFixtures: "棚の情報はまだありません。ゲートウェイが報告すると表示されます。",
    unknownPhones: "ほか不明な端末 {n} 台", nobody: "なし", noAlerts: "異常はありません。", noOffers: "オファーはまだありません。", noEvents: "まだ動きはありません。",
    noGateways: "ゲートウェイからの報告はまだありません。",
    decided: "配信", suppressed: "抑止", for: "{who} へ",
    online: "オンライン", offline: "オフライン", neverOnline: "未接続", age: "{age}前のデータ",
    connecting: "接続中", live: "ライブ", reconnecting: "再接続中", brokerDown: "ブローカー切断",
    bannerOffline: "ゲートウェイ {gateways} は {time} からオフラインです。以下は最後に報告された値です。",
    bannerLost: "本部に接続できません。以下は{age}前の情報です。",
    provisional: "暫定", retracted: "取消", cleared: "解除",
    tallyOk: "在庫あり", tallyLow: "残りわずか", tallyOut: "品切れ", tallyUnknown: "不明", tallyMembers: "来店中の会員",
    said: "{name}、{count}個", saidUnknown: "{name}、不明",
    hello: "{name} さん、こんにちは", inStore: "{store} に来店中", atZone: "{zone}・{age}", away: "いまは来店していません",
    lastVisit: "前回の来店 {time}", yourOffers: "あなたへのオファー",
    noCards: "いまはありません。気になる棚に近づいてみてください。", standsForApp: "このページは店舗アプリの代わりです。",
    noRef: "?ref=会員 を付けて開いてください。", noMember: "{ref} は本部に登録されていません。", hereNow: "いまここで・{zone}",
    "reason.out_of_stock": "品切れ", "reason.shelf_empty": "棚が空", "reason.holdout": "対照群", "reason.no_consent": "同意なし",
    "reason.cap_visit": "この来店で配信済み", "reason.campaign_inactive": "期間外",
    "reason.cooldown": "最近配信済み", "reason.clock_unknown": "時刻不明",
    "alert.identity_far": "同一IDが離れた場所に同時出現", "alert.identity_twin": "同一IDが複数の端末から", "alert.receiver_clock": "受信機の時計ずれ",
    "alert.sensor_fault": "センサー異常", "alert.sweep": "まとめ取り", "alert.out_of_stock": "品切れ",
  },
};

const asked = new URLSearchParams(location.search).get("lang") ?? localStorage.getItem("noren.lang") ?? navigator.language;
export let lang = asked.startsWith("ja") ? "ja" : "en";

export function t(key, values = {}) {
  return (WORDS[lang][key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** The pages' word for a code that came over the wire, or the code itself when we have none. */
export function word(prefix, code) {
  return WORDS[lang][`${prefix}.${code}`] ?? String(code ?? "").replaceAll("_", " ");
}

/** A duration for people: 5 s, 3 min, 2 h, 4 d. */
export function ageText(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  const [n, unit] = s < 60 ? [s, "s"] : s < 3600 ? [Math.floor(s / 60), "min"] : s < 86400 ? [Math.floor(s / 3600), "h"] : [Math.floor(s / 86400), "d"];
  if (lang === "en") return `${n} ${unit}`;
  return `${n}${{ s: "秒", min: "分", h: "時間", d: "日" }[unit]}`;
}

/** A moment (us since 1970) as time of day, with the date when it was not today. */
export function timeText(us) {
  if (!us) return "";
  const at = new Date(us / 1000);
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
  if (at.toDateString() !== new Date().toDateString()) Object.assign(options, { month: "numeric", day: "numeric", second: undefined });
  return new Intl.DateTimeFormat(lang, options).format(at);
}

/** Fills every [data-t] and wires the language switch; `redraw` is called after a change. */
export function setUpLanguage(redraw) {
  const apply = () => {
    document.documentElement.lang = lang;
    for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
    for (const button of document.querySelectorAll("[data-lang]"))
      button.setAttribute("aria-pressed", String(button.dataset.lang === lang));
  };
  for (const button of document.querySelectorAll("[data-lang]"))
    button.addEventListener("click", () => {
      lang = button.dataset.lang;
      localStorage.setItem("noren.lang", lang);
      apply();
      redraw();
    });
  apply();
}
