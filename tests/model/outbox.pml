/* The way of an event from a commit on the gateway to headquarters, as a model that spin searches through: every
 * order of commits, sends, losses, acks, crashes, shedding and restores within small bounds.
 *
 * What it stands for: gateway/io/db_commit.c (commit, gaps), db_stream.c (ack, new epoch, what is given out),
 * db_keep.c and db_shed.c (what is forgotten or given up), deliver.c (cursor, resend, the first ack of a
 * process), gateway/hq/ingest.c and ack.c (dedupe, contiguous ack, covered ranges). Names are theirs.
 *
 * Invariants
 *   REUSE   no number of an epoch stands for two events at HQ
 *   TWICE   no event is at HQ twice
 *   ACK     HQ's ack is never beyond what it has, or what a gap covers, without a hole
 *   LOST    when all is quiet, each committed event is at HQ or covered by a reported gap
 *   STUCK   when all is quiet, HQ has acked the last number
 *
 * Broken variants, each of which must be found (tests/model/run):
 *   -DDELETE_ON_PUBACK   a PUBACK deletes the row                 -DACK_HIGHEST     HQ acks the highest number
 *   -DNO_DEDUPE          HQ inserts what it has already           -DSILENT_GAP      nothing stands for what is forgotten
 *   -DSEND_BEFORE_ACK    a process sends before it hears HQ       -DSAME_EPOCH      an old copy keeps its epoch
 *   -DBY_COMMITTED       an old copy is told by what is committed -DSHED_HOLE       shedding leaves no gap
 *   -DFORGET_MARK        the mark of a backup is lost at its first start
 *
 * Taken as given: the broker retains HQ's last ack; disks do what tests/faults/storage.c shows; not both the
 * gateway and HQ are restored. A raw copy of the file, not one by `norenctl backup`, which carries a mark, is
 * safe only when HQ had no hole in what it has and is heard in the first process that runs on the copy.
 */
/* Three stories, each small enough to be searched to its end: 1 crashes, losses and shedding; 2 HQ from a backup;
 * 3 the gateway from a copy. */
#ifndef STORY
#define STORY 1
#endif
#define CRASHES  (STORY == 2 -> 0 : 1)
#define LOSSES   (STORY == 3 -> 0 : 1)
#define SHEDS    (STORY == 1 -> 1 : 0)
#ifndef N
#define N 3                /* events */
#endif
#define SIZE   (N + 2)     /* numbers 0 to N + 1 */
#define GAP    16     /* a row GAP+f is the gap from f to its own number */
#define NONE   0
#define NOMARK 15

/* --- the gateway's disk, and a copy of it ----------------------------------------------------------------- */
typedef Disk {
    byte epoch; byte head; byte acked; byte hq; byte first;
    byte mark;            /* a backup: the last number of the file that was copied */
    byte row[SIZE]
}
Disk d, copy;
bool copied, raw;

/* --- its memory --------------------------------------------------------------------------------------- */
byte pending;             /* the event that waits for its commit */
byte acked, hq, cursor, given, opened;
bool connected, heard, again, behind;
byte again_after, behind_seq;

/* --- the way ------------------------------------------------------------------------------------------ */
typedef Message { bool used; byte epoch; byte seq; byte what }
Message way[2];
bool ack_way; byte ack_hq, ack_epoch, ack_seq;  /* one ack under way */
byte kept_hq, kept_epoch, kept_seq; bool kept;  /* the one that the broker retains */

/* --- headquarters, and its backup ---------------------------------------------------------------------- */
typedef Row { byte at[SIZE]; bool covered[SIZE]; byte acked }
Row h[2], b[2];
byte h_id = 1, h_epoch;
bool backed_up;

/* --- the truth ------------------------------------------------------------------------------------------- */
byte made;
bool committed[N + 1], excused[N + 1];
byte in_epoch[N + 1], in_seq[N + 1]; /* the number that an event has */
byte crashes, losses, sheds, restores;
byte i, j, k, n;          /* of atomic steps */

/* spin's inline takes no expressions with a colon: what a step is about is handed over in these */
#define all_acked() (h[0].acked == SIZE - 1 || (h[0].at[h[0].acked + 1] == NONE && \
    (h[0].acked + 2 >= SIZE || h[0].at[(h[0].acked + 2) % SIZE] == NONE) && \
    (h[0].acked + 3 >= SIZE || h[0].at[(h[0].acked + 3) % SIZE] == NONE) && \
    (h[0].acked + 4 >= SIZE || h[0].at[(h[0].acked + 4) % SIZE] == NONE)))
byte x_id, x_epoch, x_seq, x_what, x_cut;

/* db_open(): memory is what the disk says */
inline start() {
    pending = 0; acked = d.acked; hq = d.hq; cursor = 0;
    opened = (d.mark == NOMARK -> d.head : d.mark); given = opened;
#ifdef FORGET_MARK
    d.mark = NOMARK;
#endif
    connected = false; heard = false; again = false; behind = false; again_after = 0; behind_seq = 0
}

/* begin_epoch(): what HQ cannot have under these numbers is the beginning of a new one */
inline begin_epoch() {
    n = x_cut; k = 1;
    do
    :: k <= d.head - n ->
        if
        :: d.row[k + n] > GAP + n -> d.row[k] = d.row[k + n] - n
        :: d.row[k + n] > GAP && d.row[k + n] <= GAP + n -> d.row[k] = GAP + 1
        :: d.row[k + n] < GAP -> d.row[k] = d.row[k + n]
        fi;
        k++
    :: else -> break
    od;
    do
    :: k < SIZE -> d.row[k] = NONE; k++
    :: else -> break
    od;
    k = 1;
    do
    :: k <= N ->
        if
        :: in_epoch[k] == 0 && in_seq[k] > n -> in_epoch[k] = 1; in_seq[k] = in_seq[k] - n
        :: else
        fi;
        k++
    :: else -> break
    od;
    d.head = d.head - n; d.epoch = 1; d.acked = 0; d.first = 1; d.mark = NOMARK;
    acked = 0; cursor = 0; given = 0; opened = 0; again = false; behind = false; h_epoch = 1; k = 0; n = 0
}

inline give_again() { /* x_seq */
    if
    :: x_seq < acked ->
        if
        :: !again || x_seq < again_after -> again_after = x_seq
        :: else
        fi;
        acked = x_seq; again = true; cursor = x_seq
    :: else
    fi
}

/* db_ack() and deliver.c's on_ack(), of x_id, x_epoch and x_seq */
inline take_ack() {
    x_cut = opened;
#ifdef BY_COMMITTED
    n = d.head;
#else
    n = given;
#endif
    if
    :: x_epoch != d.epoch -> skip
#ifndef SAME_EPOCH
    :: x_epoch == d.epoch && d.mark != NOMARK && x_seq >= d.mark -> x_cut = d.mark; begin_epoch()
    :: x_epoch == d.epoch && d.mark == NOMARK && x_seq > n -> begin_epoch()
    :: x_epoch == d.epoch && (d.mark == NOMARK -> x_seq <= n : x_seq < d.mark) ->
#else
    :: x_epoch == d.epoch ->
#endif
        behind = false;
        if
        :: x_seq < acked && x_id != hq -> give_again(); hq = x_id
        :: x_seq < acked && x_id == hq -> behind = true
        :: x_seq > acked -> acked = x_seq; hq = x_id
        :: else
        fi;
        behind_seq = (behind -> x_seq : 0);
        cursor = (cursor < acked -> acked : cursor)
    fi;
    n = 0; x_cut = 0; x_id = 0; x_epoch = 0; x_seq = 0;
    heard = true
}

/* One transaction: what waits, the ack, and the gap for what HQ wants again but nobody has any more. */
inline commit() {
    if
    :: again ->
#ifndef SILENT_GAP
        if
        :: again_after + 1 < d.first -> d.row[d.first - 1] = GAP + again_after + 1; d.first = again_after + 1
        :: else
        fi;
#endif
        again = false; again_after = 0
    :: else
    fi;
    d.acked = acked; d.hq = hq;
    if
    :: pending != 0 -> d.head++; d.row[d.head] = pending; committed[pending] = true;
        in_epoch[pending] = d.epoch; in_seq[pending] = d.head; pending = 0
    :: else
    fi
}

/* ingest.c: the first one under a number stays; a gap covers its range */
inline take_in() {
    if
    :: x_what >= GAP ->
        k = x_what - GAP;
        do
        :: k <= x_seq -> h[x_epoch].covered[k] = true; k++
        :: else -> break
        od;
        k = 0
    :: x_what < GAP ->
        if
        :: h[x_epoch].at[x_seq] == NONE -> h[x_epoch].at[x_seq] = x_what
        :: h[x_epoch].at[x_seq] != NONE ->
            assert(h[x_epoch].at[x_seq] == x_what); /* REUSE */
#ifdef NO_DEDUPE
            assert(false) /* TWICE: inserted again */
#endif
        fi
    fi;
#ifdef ACK_HIGHEST
    h[x_epoch].acked = (h[x_epoch].acked < x_seq -> x_seq : h[x_epoch].acked);
#else
    do
    :: h[x_epoch].acked < SIZE - 1 && (h[x_epoch].at[h[x_epoch].acked + 1] != NONE || h[x_epoch].covered[h[x_epoch].acked + 1]) -> h[x_epoch].acked++
    :: else -> break
    od;
#endif
    k = 1;
    do
    :: k <= h[x_epoch].acked -> assert(h[x_epoch].at[k] != NONE || h[x_epoch].covered[k]); k++ /* ACK */
    :: else -> break
    od;
    k = 0;
    x_epoch = 0; x_seq = 0; x_what = 0
}

/* --- what can happen -------------------------------------------------------------------------------------- */

active proctype Gateway() {
    d_step { d.mark = NOMARK; d.first = 1; copy.mark = NOMARK; start() };
    do
    :: atomic { made < N && pending == 0 -> made++; pending = made }
    :: atomic { pending != 0 || again || acked != d.acked -> commit() }
    :: atomic { /* forget(): the oldest row that HQ has; kept rows are bounded */
        d.first <= d.acked && !again && acked >= d.acked ->
        d.row[d.first] = NONE; d.first++ }
    :: atomic { /* db_shed(): the oldest row that HQ has not */
        sheds < SHEDS && !again && acked < d.head && d.row[acked + 1] != NONE && d.row[acked + 1] < GAP ->
        sheds++;
#ifdef SHED_HOLE
        d.row[acked + 1] = NONE
#else
        d.row[acked + 1] = GAP + acked + 1
#endif
        }
    :: atomic { !connected ->
        connected = true; cursor = acked;
#ifndef SEND_BEFORE_ACK
        if
        :: kept -> x_id = kept_hq; x_epoch = kept_epoch; x_seq = kept_seq; take_ack()
        :: else
        fi;
#endif
        heard = true }
    :: atomic { /* deliver_pump(): the next row; db_next() notes what was given out */
        connected && heard && !again && cursor < (d.mark == NOMARK -> d.head : d.mark) && (!way[0].used || !way[1].used) ->
        cursor++;
        do
        :: cursor < d.head && d.row[cursor] == NONE -> cursor++
        :: else -> break
        od;
        given = (given < cursor -> cursor : given);
        if
        :: d.row[cursor] != NONE ->
            i = (way[0].used -> 1 : 0);
            way[i].used = true; way[i].epoch = d.epoch; way[i].seq = cursor; way[i].what = d.row[cursor];
#ifdef DELETE_ON_PUBACK
            d.row[cursor] = NONE;
#endif
            i = 0
        :: else
        fi }
    :: atomic { /* the resend is due */
        connected && (behind || cursor > acked) && !way[0].used && !way[1].used ->
        if
        :: behind -> x_seq = behind_seq; give_again(); x_seq = 0
        :: else
        fi;
        behind = false; behind_seq = 0; cursor = acked }
    :: atomic { connected && ack_way -> ack_way = false; x_id = ack_hq; x_epoch = ack_epoch; x_seq = ack_seq; take_ack();
        ack_hq = 0; ack_epoch = 0; ack_seq = 0 }
    od
}

active proctype Headquarters() {
    do
    :: atomic { way[0].used -> x_epoch = way[0].epoch; x_seq = way[0].seq; x_what = way[0].what; take_in();
        way[0].used = false; way[0].epoch = 0; way[0].seq = 0; way[0].what = 0 }
    :: atomic { way[1].used -> x_epoch = way[1].epoch; x_seq = way[1].seq; x_what = way[1].what; take_in();
        way[1].used = false; way[1].epoch = 0; way[1].seq = 0; way[1].what = 0 }
    :: atomic { !ack_way && (!kept || kept_seq != h[h_epoch].acked || kept_hq != h_id || kept_epoch != h_epoch) ->
        kept = true; kept_hq = h_id; kept_epoch = h_epoch; kept_seq = h[h_epoch].acked;
        ack_way = true; ack_hq = kept_hq; ack_epoch = kept_epoch; ack_seq = kept_seq }
    od
}

inline save_hq() {
    i = 0;
    do
    :: i < 2 ->
        j = 0;
        do
        :: j < SIZE -> b[i].at[j] = h[i].at[j]; b[i].covered[j] = h[i].covered[j]; j++
        :: else -> break
        od;
        b[i].acked = h[i].acked; i++
    :: else -> break
    od;
    i = 0; j = 0
}

inline load_hq() {
    i = 0;
    do
    :: i < 2 ->
        j = 0;
        do
        :: j < SIZE -> h[i].at[j] = b[i].at[j]; h[i].covered[j] = b[i].covered[j]; j++
        :: else -> break
        od;
        h[i].acked = b[i].acked; i++
    :: else -> break
    od;
    i = 0; j = 0
}

inline make_copy() {
    copy.epoch = d.epoch; copy.head = d.head; copy.acked = d.acked; copy.hq = d.hq; copy.first = d.first;
    i = 0;
    do
    :: i < SIZE -> copy.row[i] = d.row[i]; i++
    :: else -> break
    od;
    i = 0
}

inline put_copy() {
    d.epoch = copy.epoch; d.head = copy.head; d.acked = copy.acked; d.hq = copy.hq; d.first = copy.first;
    i = 0;
    do
    :: i < SIZE -> d.row[i] = copy.row[i]; i++
    :: else -> break
    od;
    i = 0
}

/* What was committed on the disk that is gone, and is not on the copy, is not the gateway's to deliver. */
inline excuse() {
    i = 1;
    do
    :: i <= N ->
        excused[i] = committed[i]; j = 1;
        do
        :: j < SIZE -> excused[i] = excused[i] && (d.row[j] != i); j++
        :: else -> break
        od;
        i++
    :: else -> break
    od;
    i = 0; j = 0
}

/* Everything calms down: a few rounds of connect, ack, commit and send, with nothing lost. */
inline settle() {
    i = 0; j = 0;
    do
    :: i < 4 ->
        if
        :: way[0].used -> x_epoch = way[0].epoch; x_seq = way[0].seq; x_what = way[0].what; take_in(); way[0].used = false
        :: else
        fi;
        if
        :: way[1].used -> x_epoch = way[1].epoch; x_seq = way[1].seq; x_what = way[1].what; take_in(); way[1].used = false
        :: else
        fi;
        if
        :: kept && !connected -> x_id = kept_hq; x_epoch = kept_epoch; x_seq = kept_seq; take_ack()
        :: else
        fi;
        connected = true;
        if
        :: ack_way -> x_id = ack_hq; x_epoch = ack_epoch; x_seq = ack_seq; take_ack(); ack_way = false
        :: else
        fi;
        /* HQ says where it is when it starts, at each birth and after each message */
        x_id = h_id; x_epoch = h_epoch; x_seq = h[h_epoch].acked; take_ack();
        if
        :: behind -> x_seq = behind_seq; give_again(); x_seq = 0; behind = false
        :: else
        fi;
        commit();
        j = acked + 1;
        do
        :: j <= (d.mark == NOMARK -> d.head : d.mark) ->
            given = (given < j -> j : given);
            if
            :: d.row[j] != NONE -> x_epoch = d.epoch; x_seq = j; x_what = d.row[j]; take_in()
            :: else
            fi;
            j++
        :: else -> break
        od;
        i++
    :: else -> break
    od
}

inline check() {
    x_id = h_id; x_epoch = h_epoch; x_seq = h[h_epoch].acked; take_ack();
    assert(acked == d.head); /* STUCK */
    i = 1;
    do
    :: i <= N ->
        j = 0; n = 0;
        do
        :: j < 2 * SIZE ->
            if
            :: h[j / SIZE].at[j % SIZE] == i -> n++
            :: else
            fi;
            j++
        :: else -> break
        od;
        assert(n <= 1); /* TWICE */
        if
        :: committed[i] && !excused[i] && n == 0 ->
            assert(h[in_epoch[i]].covered[in_seq[i]]) /* LOST */
        :: else
        fi;
        i++
    :: else -> break
    od
}

active proctype World() {
    do
    :: atomic { losses < LOSSES && way[0].used -> losses++;
        way[0].used = false; way[0].epoch = 0; way[0].seq = 0; way[0].what = 0; connected = false; cursor = 0 }
    :: atomic { losses < LOSSES && ack_way -> losses++; ack_way = false; ack_hq = 0; ack_epoch = 0; ack_seq = 0 }
    :: atomic { crashes < CRASHES && !(raw && !heard) -> crashes++; start() }
    :: atomic { STORY == 3 && !copied && d.head > 0 && restores == 0 -> copied = true; make_copy();
        if
        :: raw = true
        :: copy.mark = d.head
        fi }
    :: atomic { copied && restores == 0 && (!raw || (kept && kept_seq == h[0].acked && all_acked())) -> restores++; put_copy(); d.mark = copy.mark;
        excuse(); start(); way[0].used = false; way[1].used = false }
    :: atomic { STORY == 2 && !backed_up && restores == 0 -> backed_up = true; save_hq() }
    :: atomic { backed_up && restores == 0 -> restores++; load_hq(); ack_way = false;
        if
        :: h_id++
        :: true
        fi }
    :: atomic { /* whatever else waits or is under way gets there by itself */
        made == N && pending == 0 && !way[0].used && !way[1].used && !ack_way -> settle(); check(); break }
    od;
    /* the end of this story: nobody goes on */
    atomic { false -> skip }
}
