// Recordings by somebody else: plates with physics of their own, written as CSV for `norenctl replay`, with the truth
// beside them, and the score of what the replay says.
//
// Nothing here knows the gateway or its simulator. A plate is a mass on a damped spring that is integrated in small
// steps, hung loads are real pendulums (the rope's force goes with twice the swing's frequency), hands push with a
// trembling force, zero wanders and warms, cells creep, recordings have gaps, and stamps jitter. With `bends` plates share
// a frame of twelve: whatever rests on one changes its two neighbours by up to 4 % of it, up or down, for as long.
// usage:
// foreign.mjs BIN_DIR pick|lean|stay|pendulum|gaps|cells|bends RATE SEED PLATES MINUTES [PERCENT EXACT]
// prints one line of JSON; exit status 1 when precision or recall is below PERCENT, or quantities below EXACT.
// With VERBOSE=1 every change that was not answered as it should be.
import { createReadStream, createWriteStream, mkdtempSync, rmSync, writeFileSync, openSync, closeSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [bin, kind, rateText, seedText, platesText, minutesText, least, leastExact] = process.argv.slice(2);
const rate = +rateText, plates = +platesText, seconds = 60 * +minutesText;

// mulberry32
let state = +seedText >>> 0;
function uniform(low = 0, high = 1) {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return low + (high - low) * (((x ^ (x >>> 14)) >>> 0) / 4294967296);
}
const gauss = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

function gtin(n) {
    const digits = '0970000' + String(n).padStart(6, '0');
    let sum = 0;
    for (let i = 0; i < 13; i++) sum += +digits[i] * (i % 2 ? 1 : 3);
    return digits + ((10 - (sum % 10)) % 10);
}

function makePlate(i) {
    const unit = Math.round(30 * Math.exp(uniform(0, Math.log(40)))); // 30 g .. 1.2 kg
    const cells = kind === 'cells' ? 1 + (i % 4) : 1;
    const units = [];
    for (let k = 0; k < 10; k++) units.push(unit * (1 + 0.01 * gauss()));
    return {
        id: `s${i}`, gtin: gtin(i), unit, units, taken: [], noise: Math.min(uniform(0.2, 2), unit * 0.04),
        hz: uniform(6, 14), damping: uniform(0.04, 0.15), x: 0, v: 0, creep: 0, walk: 0, phase: uniform(0, 6),
        warm: uniform(1, 8), hands: [], pendulum: null, cells: Array.from({ length: cells }, (_, c) => ({
            id: `s${i}c${c}`, zero: Math.round(uniform(-200000, 200000)), perCount: uniform(0.4, 9) * (uniform() < 0.2 ? -1 : 1),
            x_mm: cells === 1 ? 300 : Math.round((600 * c) / (cells - 1)) })),
        next: 8 + uniform(0, 20), acts: [],
    };
}
// By what the plates beside it bend this one, now: 10 to 16 g for a piece of the heavier goods.
function bent(all, i) {
    let g = 0;
    if (kind !== 'bends') return g;
    for (const j of [i - 1, i + 1])
        if (j >= 0 && j < all.length && Math.floor(i / 12) === Math.floor(j / 12))
            g += all[i].side * (all[j].x - all[j].full) * Math.min(0.04, all[i].bend / all[j].unit);
    return g;
}
const load = (p) => p.units.reduce((a, b) => a + b, 0);

// What a customer does next: a list of [time, action].
function plan(p, t) {
    const put = p.taken.length > 0 && (p.units.length < 3 || uniform() < 0.45), n = uniform() < 0.75 ? 1 : 2;
    let at = t;
    if ((kind === 'lean' || kind === 'stay') && uniform() < 0.6) {
        // lean: an elbow rests on the plate, then goods move. stay: the goods move as it comes down, and it stays.
        const span = uniform(1, 9), begins = kind === 'lean' ? at : at + 0.4;
        p.acts.push([at, () => p.hands.push({ from: begins, to: begins + span, g: uniform(200, 6000), hz: uniform(0.2, 0.9), tremor: uniform(7, 11), phase: uniform(0, 6) })]);
        at += kind === 'lean' ? span + uniform(0.3, 1.5) : 0.4;
        if (uniform() < 0.4) { p.next = at + (kind === 'stay' ? span : 0) + uniform(6, 20); return; }
    }
    const grip = at;
    p.acts.push([grip - 0.25, () => p.hands.push({ from: grip - 0.25, to: grip + 0.05, g: uniform(60, 350), hz: 0.5, tremor: 9, phase: 0 })]);
    p.acts.push([at, (now) => {
        let moved = 0;
        for (let i = 0; i < n; i++) {
            if (put && p.taken.length) { p.units.push(p.taken.pop()); moved++; }
            else if (!put && p.units.length) { p.taken.push(p.units.pop()); moved--; }
        }
        if (moved !== 0) truth.push({ t: now, plate: p.id, gtin: p.gtin, n: moved });
        if (kind === 'pendulum') p.pendulum = { from: now, angle: uniform(0.1, 0.35), hz: uniform(0.5, 1.1), tau: uniform(1.5, 5), g: load(p) / Math.max(1, p.units.length) * uniform(1, 4) };
    }]);
    p.next = at + uniform(kind === 'pendulum' ? 22 : kind === 'stay' ? 18 : 9, 30);
}

const truth = [];
function force(p, t) {
    let f = 0;
    p.hands = p.hands.filter((h) => t < h.to);
    for (const h of p.hands) {
        if (t < h.from) continue;
        const edge = Math.min(1, (t - h.from) / 0.2, (h.to - t) / 0.2);
        f += h.g * edge * (1 + 0.04 * Math.sin(2 * Math.PI * h.tremor * t) + 0.1 * Math.sin(2 * Math.PI * h.hz * t + h.phase) + 0.02 * gauss());
    }
    const q = p.pendulum;
    if (q) {
        const angle = q.angle * Math.exp(-(t - q.from) / q.tau) * Math.cos(2 * Math.PI * q.hz * (t - q.from));
        const speed = q.angle * Math.exp(-(t - q.from) / q.tau) * Math.sin(2 * Math.PI * q.hz * (t - q.from));
        f += q.g * (speed * speed - (angle * angle) / 2); // tension less weight, small angles; twice the frequency
        if (t - q.from > 8 * q.tau) p.pendulum = null;
    }
    return f;
}

const dir = mkdtempSync(join(tmpdir(), 'noren-foreign-'));
try {
    const all = Array.from({ length: plates }, (_, i) => makePlate(i));
    const asCells = kind === 'cells';
    writeFileSync(join(dir, 'planogram.json'), JSON.stringify({ store: 'foreign', plates: all.map((p) => ({
        id: p.id, fixture: 'rack-' + Math.floor(+p.id.slice(1) / 12), cells: asCells ? p.cells.map((c) => ({ id: c.id, x_mm: c.x_mm, zero_counts: c.zero, mg_per_count: c.perCount })) : [],
        facings: [{ gtin: p.gtin, name: p.id, unit_mass_mg: p.unit * 1000, unit_cv: 0.01, capacity: 20, x_mm: 300 }] })) }));
    const out = createWriteStream(join(dir, 'in.csv'));
    out.write(asCells ? 't_us,cell,counts\n' : 'note,t_us,plate,mass_mg\n');
    const steps = Math.max(1, Math.ceil(800 / rate)), dt = 1 / rate / steps;
    let lines = [], gap = 0;
    for (const p of all) { p.x = p.full = load(p); p.creep = 0; }
    if (kind === 'bends') for (const p of all) { p.bend = uniform(10, 16); p.side = uniform() < 0.5 ? -1 : 1; }
    for (let k = 1; k <= seconds * rate; k++) {
        const t = k / rate;
        if (kind === 'gaps' && t > gap) gap = t + uniform(20, 40); // half a second to six without a line
        const silent = kind === 'gaps' && gap - t < (gap * 7919 % 5.5) + 0.5;
        for (const p of all) {
            if (t >= p.next && p.acts.length === 0 && t < seconds - 30) plan(p, t + 0.3);
            while (p.acts.length && t >= p.acts[0][0]) p.acts.shift()[1](t);
            const busy = p.hands.length || p.pendulum || Math.abs(p.x - load(p)) > 0.05 || Math.abs(p.v) > 1;
            if (busy) {
                const f = load(p) + force(p, t), w = 2 * Math.PI * p.hz;
                for (let s = 0; s < steps; s++) { p.v += dt * (w * w * (f - p.x) - 2 * p.damping * w * p.v); p.x += dt * p.v; }
            }
            p.creep += (load(p) * 0.0012 - p.creep) * (1 / rate / 150);
            p.walk += 0.02 * Math.sqrt(1 / rate) * gauss();
            const g = p.x + bent(all, all.indexOf(p)) + p.creep + p.walk + p.warm * Math.sin((2 * Math.PI * t) / 7200 + p.phase) + p.noise * gauss();
            if (silent) continue;
            const us = Math.round(t * 1e6 + uniform(-0.1, 0.1) * 1e6 / rate);
            if (asCells) {
                const left = 0.5 + 0.1 * Math.sin(p.phase);
                p.cells.forEach((c, i) => {
                    const m = p.cells.length;
                    const share = m === 1 ? 1 : m === 2 ? (i ? left : 1 - left) : 1 / m;
                    lines.push(`${us},${c.id},${c.zero + Math.round((g * 1000 * share) / c.perCount)}`);
                });
            } else lines.push(`x,${us},${p.id},${Math.round(g * 1000)}`);
        }
        if (lines.length > 20000) { if (!out.write(lines.join('\n') + '\n')) await once(out, 'drain'); lines = []; }
    }
    out.end(lines.length ? lines.join('\n') + '\n' : '');
    await once(out, 'finish');
    const events = join(dir, 'events'), fd = openSync(events, 'w'), began = process.hrtime.bigint();
    const run = spawnSync(join(bin, 'norenctl'), ['replay', join(dir, 'in.csv'), '--planogram', join(dir, 'planogram.json')], { stdio: ['ignore', fd, 'pipe'] });
    const took = Number(process.hrtime.bigint() - began) / 1e9;
    closeSync(fd);
    if (run.status !== 0) { console.error(String(run.stderr)); process.exit(1); }

    // ---- score: a settled event within 15 s (30 after a pendulum) of a change of that plate is its answer.
    const said = [], first = [];
    for await (const line of createInterface({ input: createReadStream(events) })) {
        const e = JSON.parse(line), what = e.type.slice('noren.shelf.'.length);
        if (!/^noren\.shelf\.(pick|put_back|restock|ambiguous|unknown|misplaced)$/.test(e.type)) continue;
        const row = { t: +e.tus / 1e6, plate: e.data.plate, n: (what === 'pick' ? -1 : 1) * e.data.quantity, doubt: /ambiguous|unknown|misplaced/.test(what) };
        if (e.data.stage === 'settled') said.push(row);
        if (e.data.stage === 'provisional') first.push(row);
    }
    const late = kind === 'pendulum' ? 30 : kind === 'stay' ? 18 : 15, delays = [], firsts = [];
    let hits = 0, exact = 0, wrong = 0, doubted = 0, missed = 0, stray = 0;
    const byPlate = (list) => list.reduce((m, x) => (m.get(x.plate) ?? m.set(x.plate, []).get(x.plate)).push(x) && m, new Map());
    const saidBy = byPlate(said), firstBy = byPlate(first), truthBy = byPlate(truth);
    for (const [plate, list] of truthBy) {
        for (const [i, x] of list.entries()) {
            const end = Math.min(x.t + late, list[i + 1]?.t ?? Infinity);
            const mine = (saidBy.get(plate) ?? []).filter((s) => !s.used && s.t > x.t - 0.5 && s.t < end);
            mine.forEach((s) => { s.used = true; });
            const sum = mine.filter((s) => !s.doubt).reduce((a, s) => a + s.n, 0);
            if (!mine.length) missed++;
            else if (mine.every((s) => s.doubt)) doubted++;
            else if (Math.sign(sum) !== Math.sign(x.n)) wrong++;
            else { hits++; exact += sum === x.n; delays.push(mine.at(-1).t - x.t); }
            if (process.env.VERBOSE && (!mine.length || sum !== x.n)) console.error('off', x.t.toFixed(2), plate, 'truth', x.n, 'said', mine.map((s) => `${s.t.toFixed(2)}:${s.n}${s.doubt ? '?' : ''}`).join(' ') || '-');
            const p = (firstBy.get(plate) ?? []).find((s) => s.t > x.t - 0.3 && s.t < end && Math.sign(s.n) === Math.sign(x.n));
            if (p) firsts.push(p.t - x.t);
        }
    }
    for (const s of said) if (!s.used) { stray++; if (process.env.VERBOSE) console.error('stray', s.t.toFixed(2), s.plate, s.n, s.doubt); }
    const part = (v, q) => (v.length ? +v.sort((a, b) => a - b)[Math.floor(q * (v.length - 1))].toFixed(2) : null);
    const pct = (a, b) => +(b ? (100 * a) / b : 100).toFixed(2);
    const precision = pct(hits, hits + wrong + stray), recall = pct(hits, truth.length);
    if (least !== undefined && (truth.length < 50 || Math.min(precision, recall) < +least || pct(exact, hits) < +leastExact)) process.exitCode = 1;
    console.log(JSON.stringify({ kind, rate, seed: +seedText, plates, minutes: +minutesText, changes: truth.length, precision, recall,
        exact: pct(exact, hits), doubted, missed, wrong, stray, first_p95_s: part(firsts, 0.95), settled_p50_s: part(delays, 0.5), settled_p95_s: part(delays, 0.95), times_real: Math.round(seconds / took) }));
} finally {
    rmSync(dir, { recursive: true, force: true });
}
