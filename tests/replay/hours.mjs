// Hours of a shop's shelves by `norenctl replay`, from counts of cells as somebody else would record them: restocked plates
// that creep, a zero that warms and wanders, a few picks, and thieves who take some grams at a time.
//
// The recording is made here from a seed and shares nothing with the gateway's simulator: goods that differ by a per cent, a
// plate that rings, a hand before each pick, creep A x change x (1 - exp(-t / tau)) for every change at the worst of what
// was measured (reference shelf.md 3.6), warmth of a gram a degree, a random walk, a few wild codes.
//
// What must come out: each pick and each restocking in one settled event with its quantity, no other event, no flag on a
// plate that nobody robbed, a flag (or the pieces booked) on one that somebody did, and the right counts at the end.
// usage: hours.mjs NORENCTL RATE MINUTES SEED...
import { spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [norenctl, rateText, minutesText, ...seeds] = process.argv.slice(2);
const rate = +rateText, seconds = 60 * +minutesText;

// splitmix32: any seed will do, and the same on every machine.
let state = 0;
function uniform(low, high) {
    state = (state + 0x9e3779b9) | 0;
    let x = state ^ (state >>> 16);
    x = Math.imul(x, 0x21f0aaad);
    x ^= x >>> 15;
    x = Math.imul(x, 0x735a2d97);
    return low + ((high - low) * ((x ^ (x >>> 15)) >>> 0)) / 4294967296;
}
function gauss() {
    let sum = -6;
    for (let i = 0; i < 12; i++) sum += uniform(0, 1);
    return sum;
}

// GTIN-14 of the n-th product.
function gtin(n) {
    const body = `0490123450${String(n).padStart(3, '0')}`;
    const sum = [...body].reduce((s, d, i) => s + d * (i % 2 ? 1 : 3), 0);
    return body + ((10 - (sum % 10)) % 10);
}

// robbed: grams that somebody takes each minute from the first third of the recording on, a piece and a half in all.
// Nine bottles creep by nearly half of the bag of sweets beside them; a light pack feels 13 g of warmth between its picks.
const kinds = [
    { units: [500], cells: 1, restock: 12 }, { units: [330], cells: 2, restock: 10 }, { units: [1000], cells: 4, restock: 8 },
    { units: [40], cells: 1, restock: 0, warm: 6.5, pause: 4500 }, { units: [250], cells: 1, restock: 10, robbed: 3 }, { units: [500], cells: 2, restock: 0, robbed: 5 },
    { units: [1497, 70], cells: 1, restock: 9, box: 1, creepPm: 2, cv: 0.001 }, { units: [786, 48], cells: 2, restock: 12, box: 1, cv: 0.001 },
];

function makePlate(kind, n) {
    const unit = Math.min(...kind.units), drift = unit / 500; // 0.4 of a unit may be tracked: well within it
    const robbed = (seconds / 90) * kind.robbed > 1.5 * unit ? kind.robbed : 0; // not in a short recording
    const p = { id: `p${n}`, box: 4, changes: [], hands: [], acts: [], truth: [], walk: 0, stolen: 0, phase: uniform(0, 6.28),
        noise: uniform(0.3, 1) * Math.min(1, unit / 250), warm: uniform(-1, 1) * Math.min(8, 20 * drift), creepPm: uniform(1, 2),
        tau: uniform(60, 300), slope: uniform(-1, 1) * Math.min(6, 15 * drift), hz: uniform(6, 10), decay: uniform(0.1, 0.3), ...kind, unit, robbed };
    p.products = kind.units.map((mass, i) => ({ mass, cv: kind.cv ?? 0.01, gtin: gtin(2 * n + i), goods: [] }));
    p.meters = Array.from({ length: kind.cells }, (_, c) => ({ id: `${p.id}c${c}`, x: c * 200, share: 1 / kind.cells + (kind.cells > 1 ? 0.08 * (c % 2 ? 1 : -1) : 0),
        zero: Math.round(uniform(-3e5, 3e5)), perCount: uniform(2, 5) * (uniform(0, 1) < 0.3 ? -1 : 1) }));
    // What one product's absolute weight tells has lain there for days. With two, only an empty plate can be told.
    if (p.products.length === 1) p.changes.push({ t: -1e9, g: move(p, p.products[0], 6).g });
    // Restocked early, by the box; then a customer now and then, one or two pieces at a time, some put one back.
    let t = uniform(30, 60);
    for (const product of [...p.products].reverse())
        for (let left = p.products.length > 1 && product.mass === unit ? 8 : kind.restock; left > 0; t += uniform(12, 25)) {
            const pieces = Math.min(left, p.box);
            p.acts.push({ t, product, pieces });
            left -= pieces;
        }
    const pause = kind.pause ?? Math.min(seconds / 10, 1200), light = p.products.at(-1);
    if (p.products.length > 1) // right into the creep
        for (let i = 0; i < 4; i++, t += uniform(40, 100)) p.acts.push({ t, product: light, pieces: i === 2 ? 1 : -1 });
    for (t += uniform(0.2, 1) * pause; t < seconds - 60; t += uniform(0.5, 1.5) * pause)
        p.acts.push({ t, product: uniform(0, 1) < 0.5 ? p.products[0] : light, pieces: uniform(0, 1) < 0.2 ? 1 : uniform(0, 1) < 0.25 ? -2 : -1 });
    return p;
}

// Puts pieces of a product on a plate, or takes them: what really moved. A thief needs something to take from.
function move(p, product, pieces) {
    let g = 0, moved = 0;
    for (let i = 0; i < Math.abs(pieces); i++) {
        if (pieces > 0) product.goods.push(product.mass * (1 + product.cv * gauss()));
        else if (product.goods.length < (p.robbed ? 4 : 2)) break;
        g += pieces > 0 ? product.goods.at(-1) : -product.goods.pop();
        moved += Math.sign(pieces);
    }
    return { g, moved };
}

function act(p, a) {
    const { g, moved } = move(p, a.product, a.pieces);
    if (moved === 0) return;
    p.changes.push({ t: a.t, g });
    p.hands.push({ from: a.t - uniform(0.3, 0.8), to: a.t, g: uniform(50, 300) });
    p.truth.push({ t: a.t, pieces: moved, gtin: a.product.gtin });
}

function load(p, t) {
    let g = p.walk - p.stolen + p.warm * Math.sin((6.2832 * t) / 9000 + p.phase) + (p.slope * t) / 10800;
    for (const c of p.changes) {
        const age = t - c.t;
        if (age < 0) continue;
        g += c.g + ((c.g * p.creepPm) / 1000) * (1 - Math.exp(-age / p.tau));
        if (age < 5) g -= c.g * 0.4 * Math.exp(-age / p.decay) * Math.cos(6.2832 * p.hz * age);
    }
    for (const h of p.hands)
        if (t >= h.from && t < h.to) g += h.g * (1 + 0.08 * Math.sin(56 * t) + 0.2 * Math.sin(5 * t));
    return g + p.noise * gauss();
}

function record(plates, path) {
    const fd = openSync(path, 'w');
    let text = 't_us,cell,counts\n';
    for (let k = 1; k <= seconds * rate; k++) {
        const t = k / rate;
        for (const p of plates) {
            while (p.acts.length && p.acts[0].t - 1 <= t) act(p, p.acts.shift());
            p.walk += 0.01 * gauss() / Math.sqrt(rate);
            if (p.robbed && t > seconds / 3 && k % (60 * rate) === 0 && p.stolen < 1.5 * p.unit) {
                p.stolen += p.robbed;
                if (p.stolen >= p.unit) p.gone ??= t;
            }
            const g = load(p, t);
            for (const m of p.meters) {
                let counts = m.zero + Math.round((g * 1000 * m.share) / m.perCount);
                if (uniform(0, 1) < 1e-5) counts = Math.round(uniform(-8e6, 8e6)); // what no check of the frame finds
                text += `${Math.round(t * 1e6)},${m.id},${counts}\n`;
            }
        }
        if (text.length > 1e6) { writeSync(fd, text); text = ''; }
    }
    writeSync(fd, text);
    closeSync(fd);
}

function judge(plates, events) {
    const bad = [], on = (p, type) => events.filter((e) => e.data.plate === p.id && type.test(e.type));
    for (const p of plates) {
        const settled = on(p, /shelf\./).filter((e) => e.data.stage === 'settled').map((e) => ({ t: e.tus / 1e6, type: e.type.slice(12), gtin: e.data.gtin,
            pieces: e.type === 'noren.shelf.pick' ? -e.data.quantity : e.data.quantity, mass: e.data.mass_mg / 1000 }));
        const flags = on(p, /recount_suggested/).map((e) => ({ t: e.tus / 1e6, reason: e.data.reason }));
        const counts = p.products.map((x) => on(p, /stock.changed/).filter((e) => e.data.gtin === x.gtin).at(-1)?.data.on_shelf);
        const there = p.products.map((x) => x.goods.length), left = there[0] - p.stolen / p.unit;
        for (const x of p.truth) {
            const mine = settled.filter((s) => s.t > x.t - 0.5 && s.t < x.t + 10);
            mine.forEach((s) => { s.mine = true; });
            if (mine.length !== 1 || mine[0].pieces !== x.pieces || mine[0].gtin !== x.gtin || !/^(pick|put_back|restock)$/.test(mine[0].type))
                bad.push(`${p.id}: ${x.pieces} of ${x.gtin} at ${x.t.toFixed(1)} s became ${JSON.stringify(mine)}`);
        }
        // What a thief took may be noticed as a change, at any time after it began.
        const others = settled.filter((s) => !s.mine && !(p.robbed && s.t > seconds / 3));
        if (others.length) bad.push(`${p.id}: nobody did ${JSON.stringify(others)}`);
        if (!p.robbed && flags.length) bad.push(`${p.id}: flags without a thief`);
        if (!p.robbed && `${counts}` !== `${there}`) bad.push(`${p.id}: ends with ${counts} of ${there}`);
        // Ten minutes of disagreement make a flag (3.3), so ten after a whole piece is gone it must be there.
        if (p.robbed && !p.gone) bad.push(`${p.id}: the recording is too short for its thief`);
        if (p.robbed && !flags.some((f) => f.t < p.gone + 600) && Math.abs(counts[0] - left) > 0.5)
            bad.push(`${p.id}: a piece had gone by ${Math.round(p.gone / 60)} min, and nothing was said`);
        console.log(`  ${p.id} ${p.units} g, ${p.cells} cells, ${p.truth.length} changes: ${settled.length} settled, ends with ${counts} of ${there}` +
            (p.robbed ? `, less what was robbed ${left.toFixed(2)}; a piece had gone by ${Math.round(p.gone / 60)} min` : '') +
            flags.map((f) => `; ${Math.round(f.t / 60)} min ${f.reason}`).join(''));
    }
    const faults = events.filter((e) => /sensor/.test(e.type));
    if (faults.length) bad.push(`${faults.length} faults, the first: ${JSON.stringify(faults[0].data)}`);
    return bad;
}

const dir = mkdtempSync(join(tmpdir(), 'noren-hours-'));
try {
    for (const seed of seeds) {
        state = +seed;
        const plates = kinds.map(makePlate), out = join(dir, 'events');
        writeFileSync(join(dir, 'planogram.json'), JSON.stringify({ store: 'hours', plates: plates.map((p) => ({ id: p.id, fixture: 'f',
            cells: p.meters.map((m) => ({ id: m.id, x_mm: m.x, zero_counts: m.zero, mg_per_count: m.perCount })),
            facings: p.products.map((x, i) => ({ gtin: x.gtin, name: x.gtin, unit_mass_mg: x.mass * 1000, unit_cv: x.cv, capacity: 30, x_mm: 150 + 300 * i })) })) }));
        record(plates, join(dir, 'cells.csv'));
        const fd = openSync(out, 'w'), began = Date.now();
        const run = spawnSync(norenctl, ['replay', join(dir, 'cells.csv'), '--planogram', join(dir, 'planogram.json')], { stdio: ['ignore', fd, 'pipe'] });
        closeSync(fd);
        if (run.status !== 0) { console.error(String(run.stderr)); process.exit(1); }
        console.log(`seed ${seed}, ${rate} SPS, ${minutesText} min: ${plates.reduce((n, p) => n + p.truth.length, 0)} changes, replayed in ${Date.now() - began} ms`);
        const bad = judge(plates, readFileSync(out, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l)));
        for (const text of bad) console.log(`  BAD ${text}`);
        if (bad.length) process.exitCode = 1;
    }
} finally {
    rmSync(dir, { recursive: true, force: true });
}
